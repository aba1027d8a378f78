"""Weights: manifests that say what a file holds, the search for that file, and its way into a model."""

from radzoo.weights.files import cache, fetch, file_hash, locate, resolve, search_path
from radzoo.weights.importing import import_file, import_reported
from radzoo.weights.keras_files import read_keras, rename
from radzoo.weights.load import apply, load, probe, tensors, verify
from radzoo.weights.manifest import File, Manifest, describe_lines
from radzoo.weights.own import import_run
from radzoo.weights.report import Report
from radzoo.weights.shelf import find, list_weights, read_manifest
from radzoo.weights.statistics import Fit, fit_of
from radzoo.weights.tensor_files import digest, save
from radzoo.weights.torch_files import read_torch
from radzoo.weights.torch_layers import torch_layers

__all__ = [
    "File",
    "Fit",
    "Manifest",
    "Report",
    "apply",
    "cache",
    "describe_lines",
    "digest",
    "fetch",
    "file_hash",
    "find",
    "fit_of",
    "import_file",
    "import_reported",
    "import_run",
    "list_weights",
    "load",
    "locate",
    "probe",
    "read_keras",
    "read_manifest",
    "read_torch",
    "rename",
    "resolve",
    "save",
    "search_path",
    "tensors",
    "torch_layers",
    "verify",
]
