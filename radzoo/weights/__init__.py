"""Weights: manifests that say what a file holds, the search for that file, and its way into a model."""

from radzoo.weights.files import cache, fetch, file_hash, locate, resolve, search_path
from radzoo.weights.importing import import_file, import_run
from radzoo.weights.keras_files import read_keras, rename
from radzoo.weights.load import Report, apply, load, probe, tensors, verify
from radzoo.weights.manifest import File, Manifest, describe_lines, find, list_weights, read_manifest
from radzoo.weights.tensor_files import digest, save

__all__ = [
    "File",
    "Manifest",
    "Report",
    "apply",
    "cache",
    "describe_lines",
    "digest",
    "fetch",
    "file_hash",
    "find",
    "import_file",
    "import_run",
    "list_weights",
    "load",
    "locate",
    "probe",
    "read_keras",
    "read_manifest",
    "rename",
    "resolve",
    "save",
    "search_path",
    "tensors",
    "verify",
]
