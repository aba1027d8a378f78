"""Index, patient-wise splits, the store of decoded images, and the batches that feed a network."""

from radzoo.data.feed import batches, settle_threads
from radzoo.data.index import Index, read_external, read_index
from radzoo.data.sources import phantoms
from radzoo.data.split import assign_splits
from radzoo.data.store import Store, as_stored, cache_folder

__all__ = [
    "Index",
    "Store",
    "as_stored",
    "assign_splits",
    "batches",
    "cache_folder",
    "phantoms",
    "read_external",
    "read_index",
    "settle_threads",
]
