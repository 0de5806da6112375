"""Operations on batches of images that carry the labels along."""

from .mix import Mix
from .photometric import Tint
from .scene import Scene
from .sensor import Sensor
from .texture import Texture
from .warp import Warp

__all__ = ["Mix", "Scene", "Sensor", "Texture", "Tint", "Warp"]
