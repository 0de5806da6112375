"""Reading: data from disk, from the discovery of files to domains."""

from .images import ImageFiles
from .loading import Channels, Size, load, load_unlabelled

__all__ = ["Channels", "ImageFiles", "Size", "load", "load_unlabelled"]
