"""TensorFlow Datasets: an index written as sharded examples, and any dataset on disk read as an index."""
