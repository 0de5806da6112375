"""Operations on batches of images that carry the labels along."""

from .mix import Mix
from .photometric import PhotometricTransform
from .scene import Scene
from .sensor import Sensor
from .texture import Texture
from .warp import Warp

__all__ = ["Mix", "PhotometricTransform", "Scene", "Sensor", "Texture", "Warp"]
