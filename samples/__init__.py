"""Sample files and their preprocessing: what the trainer and the query server both need to read a pool.

Only numpy is imported here; Pillow is imported when a folder of images is opened.
"""

from samples.errors import SampleError
from samples.files import open_samples
from samples.preprocess import Layout, Preprocessing
from samples.sources import SampleSource

__all__ = ["Layout", "Preprocessing", "SampleError", "SampleSource", "open_samples"]
