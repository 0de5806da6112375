"""Random transforms of batches of images, and of their labels where needed."""

from .mix import Mix
from .photometric import PhotometricTransform
from .scene import Scene
from .sensor import Sensor
from .texture import Texture
from .warp import Warp

__all__ = ["Mix", "PhotometricTransform", "Scene", "Sensor", "Texture", "Warp"]
