"""How a CT scanner sees a slice, and what fewer photons or fewer views do to it (NumPy in, NumPy out).

    attenuation      HU and linear attenuation
    geometry         parallel and fan beams in mm and radians, or the default for a slice
    projection       line integrals of an image, and the adjoint
    reconstruction   filtered back-projection
    fan              fan beams, by rebinning from and to parallel ones
    readings         photons and electronic noise
    own_noise        how many photons explain the noise of a real image
    low_dose         fewer photons: of a clean image, or more noise in a real one
    sparse_view      every k-th view
    slices           what is refused
    measured         projections of a real scanner with dark and flat fields, and where its axis lies

One energy, no scatter, no beam hardening, no bow-tie filter, readings without cross-talk, slices one by one. Noise
therefore is what theory says it is; artefacts of metal and of the beam's spectrum are missing.
"""
