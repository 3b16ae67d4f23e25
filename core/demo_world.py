"""The demo world: a field seen by a robot that drives along rows of crop, rendered with exact truth.

A scene is a flat field in perspective. Ground pixels are looked up in seamless noise textures by their
place on the field; plants and stones are small pictures, drawn once per process, scaled and painted from far
to near into the image and into the label map alike. Weather, night, fog, blur and noise come last and touch
only the image. Everything follows from a seed.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

CLASSES: tuple[tuple[str, str], ...] = (
    ("sky", "#56b4e9"),
    ("soil", "#e69f00"),
    ("crop", "#009e73"),
    ("weed", "#cc79a7"),
    ("stone", "#f0e442"),
)
"""Name and colour of each class, by index."""
SKY, SOIL, CROP, WEED, STONE = range(len(CLASSES))

STONE_SHARE = 0.1
"""Share of drives with stones, the rare class."""
REVISIT_SHARE = 0.2
"""Share of scenes that are taken a moment after an earlier one, on the same drive."""

_SPRITE = 96
_OVERSAMPLE = 3
_TEXTURE = 512
_ROW_SPACING = 0.55
_CAMERA_HEIGHT = 0.95
_SPRITE_REACH = 5.0
"""Distances are in metres. Plants further away than this are part of the ground texture."""
_STEP = 0.13

_CROP_KINDS = ("beet", "maize")
_WEED_KINDS = ("thistle", "grass", "clover")

Pixels = NDArray[np.floating]
"""Colours are kept as planes, (3, height, width), 0…255."""


@dataclass(frozen=True)
class Scene:
    """A rendered image, its label map and where it was taken."""

    name: str
    image: NDArray[np.uint8]
    """RGB, (height, width, 3)."""
    truth: NDArray[np.uint8]
    """Class indices, (height, width)."""
    group: str
    """The drive; scenes of one drive look alike."""


@dataclass(frozen=True)
class RenderedScene:
    """A scene whose image is a JPEG file."""

    name: str
    image_file: bytes
    truth: NDArray[np.uint8]
    group: str


class _Sprite(NamedTuple):
    picture: Image.Image
    """RGBA."""
    shadow: Image.Image
    """How dark the ground beneath gets, mode L."""


@dataclass(frozen=True)
class _Camera:
    horizon: float
    focal: float
    heading: float
    lateral: float
    forward: float
    origin: float
    """``forward`` in the first frame; what grows where is drawn around it, so all frames agree."""


@dataclass(frozen=True)
class _Ground:
    """Each pixel's place on the field, in metres, and its distance from the camera."""

    across: Pixels
    along: Pixels
    distance: Pixels
    below_horizon: NDArray[np.bool_]


def scenes(count: int = 300, seed: int = 0, size: tuple[int, int] = (240, 320)) -> Iterator[Scene]:
    """Render ``count`` scenes; about a fifth are slight variations of an earlier one.

    Args:
        count: How many scenes. The first scenes do not depend on it.
        seed: Equal seeds give equal scenes.
        size: (height, width) in pixels.
    """
    rng = np.random.default_rng([seed, 1])
    frames_of_drive: list[int] = []
    for number in range(count):
        if frames_of_drive and rng.random() < REVISIT_SHARE:
            drive = int(rng.integers(len(frames_of_drive)))
            frames_of_drive[drive] += 1
        else:
            drive = len(frames_of_drive)
            frames_of_drive.append(1)
        image, truth = render_scene(seed * 100_003 + drive, size, frame=frames_of_drive[drive] - 1)
        yield Scene(f"field_{number:04d}.jpg", image, truth, f"drive-{drive:03d}")


def rendered_entries(count: int = 300, seed: int = 0) -> Iterator[RenderedScene]:
    """Render scenes as :func:`scenes` does, with their images as JPEG files."""
    for scene in scenes(count, seed):
        buffer = io.BytesIO()
        Image.fromarray(scene.image).save(buffer, "JPEG", quality=92, subsampling=0)
        yield RenderedScene(scene.name, buffer.getvalue(), scene.truth, scene.group)


def render_scene(
    seed: int, size: tuple[int, int] = (240, 320), *, frame: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render one scene.

    Args:
        seed: Chooses the field, the weather and the camera.
        size: (height, width) in pixels.
        frame: How many moments later: the robot has moved on a little and the light has changed a little.

    Returns:
        The image, ``uint8`` (height, width, 3), and its label map, ``uint8`` (height, width).
    """
    world = np.random.default_rng([seed, 2])
    moment = np.random.default_rng([seed, 3, frame])
    height, width = size
    sees_sky = world.random() < 0.6
    origin = world.uniform(0, 40)
    camera = _Camera(
        horizon=height * (world.uniform(0.08, 0.36) if sees_sky else world.uniform(-0.5, -0.1)),
        focal=0.95 * width,
        heading=world.normal(0, 0.22) + moment.normal(0, 0.01),
        lateral=world.uniform(-0.5, 0.5) * _ROW_SPACING + moment.normal(0, 0.01),
        forward=origin + _STEP * frame,
        origin=origin,
    )
    weather = str(
        world.choice(["clear", "overcast", "low sun", "fog", "night"], p=[0.4, 0.22, 0.16, 0.1, 0.12])
    )
    ground = _ground(camera, size)

    colours = _soil(world, ground)
    truth = np.where(ground.below_horizon, SOIL, SKY).astype(np.uint8)
    crop_kind = str(world.choice(_CROP_KINDS))
    stage = world.uniform(0.14, 0.34)
    weed_share = world.beta(1.2, 2.2)
    _paint_far_plants(world, ground, colours, truth, stage, weed_share)
    _paint_sky(world, weather, camera, ground, colours)

    canvas = _as_picture(colours)
    labels = Image.fromarray(truth)
    _paint_straw(world, canvas, camera)
    sun_side = world.uniform(-1, 1)
    _paint_near_objects(world, canvas, labels, camera, crop_kind, stage, weed_share, sun_side)
    truth = np.array(labels)
    painted = np.moveaxis(np.asarray(canvas), 2, 0).astype(np.float32)
    image = _photograph(world, moment, painted, truth, ground, weather)
    return image, truth


def _ground(camera: _Camera, size: tuple[int, int]) -> _Ground:
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = columns[:1] / width
    uneven = 1.2 * np.sin(wave * 5 + camera.forward) + 0.6 * np.sin(wave * 13)
    depth_rows = rows - camera.horizon - uneven
    below = depth_rows > 0.7
    distance = camera.focal * _CAMERA_HEIGHT / np.maximum(depth_rows, 0.7)
    sideways = (columns - width / 2) * distance / camera.focal
    sine, cosine = np.float32(np.sin(camera.heading)), np.float32(np.cos(camera.heading))
    return _Ground(
        across=cosine * sideways + sine * distance + np.float32(camera.lateral),
        along=cosine * distance - sine * sideways + np.float32(camera.forward),
        distance=distance,
        below_horizon=below,
    )


def _on_screen(
    camera: _Camera, size: tuple[int, int], across: Pixels, along: Pixels
) -> tuple[Pixels, Pixels, Pixels]:
    """Return column, row and distance of places on the field; the inverse of :func:`_ground`."""
    x, z = across - camera.lateral, along - camera.forward
    sine, cosine = np.sin(camera.heading), np.cos(camera.heading)
    sideways, distance = cosine * x - sine * z, sine * x + cosine * z
    safe = np.maximum(distance, 0.05)
    columns = size[1] / 2 + camera.focal * sideways / safe
    return columns, camera.horizon + camera.focal * _CAMERA_HEIGHT / safe, distance


def _rgb(red: float, green: float, blue: float) -> NDArray[np.float32]:
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1)


def _as_picture(colours: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(np.clip(colours, 0, 255), 0, 2).astype(np.uint8)))


# Ground and sky


@functools.cache
def _noise_texture(seed: int, roughness: float) -> Pixels:
    """Return seamless noise, (512, 512), mean 0 and deviation 1; low ``roughness`` is smoother."""
    rng = np.random.default_rng([seed, 4])
    spectrum = np.fft.rfft2(rng.standard_normal((_TEXTURE, _TEXTURE)))
    frequency = np.hypot(np.fft.fftfreq(_TEXTURE)[:, None], np.fft.rfftfreq(_TEXTURE)[None]) * _TEXTURE
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum * np.maximum(frequency, 2.0) ** (roughness - 2.0), (_TEXTURE, _TEXTURE))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _look_up(texture: Pixels, across: Pixels, along: Pixels, tile: float) -> Pixels:
    scale = _TEXTURE / tile
    rows, columns = ((place * scale).astype(np.int32) & (_TEXTURE - 1) for place in (along, across))
    return texture.reshape(-1)[rows * _TEXTURE + columns]


@functools.cache
def _relief_texture() -> tuple[Pixels, Pixels]:
    clods = _noise_texture(2, 0.5)
    slopes = [clods - np.roll(clods, 2, axis=axis) for axis in (0, 1)]
    along, across = (slope / slope.std() for slope in slopes)
    return along, across


def _soil(world: np.random.Generator, ground: _Ground) -> Pixels:
    place = ground.across + world.uniform(0, 50), ground.along + world.uniform(0, 50)
    # Far away one pixel covers many grains; their contrast averages out.
    near = np.clip(2.2 / ground.distance, 0, 1)
    patches = _look_up(_noise_texture(3, 0.1), *place, tile=14.0)
    clods = _look_up(_noise_texture(2, 0.5), *place, tile=2.2)
    grains = _look_up(_noise_texture(1, 1.1), *place, tile=1.3)
    slope_along, slope_across = (_look_up(relief, *place, tile=2.2) for relief in _relief_texture())
    side = world.uniform(-1, 1)
    light = 1 + near * (0.07 * clods + 0.09 * grains + 0.10 * (side * slope_across + 0.7 * slope_along))
    light += 0.06 * patches

    furrow = np.cos(2 * np.pi * ground.across / _ROW_SPACING)
    light += world.uniform(0.0, 0.09) * furrow * np.clip(5 / ground.distance, 0, 1)
    track = world.uniform(1.2, 1.8)
    for wheel in (-track / 2, track / 2):
        band = np.exp(-(((ground.across - wheel) / 0.13) ** 2))
        tread = 0.5 + 0.5 * np.sign(np.sin(ground.along * 60 + 18 * np.abs(ground.across - wheel)))
        light -= band * (0.07 + 0.08 * near * tread) * world.uniform(0, 1)

    moisture = np.clip(patches * 0.5 + world.normal(0, 0.6), 0, 1)
    dry, wet = _rgb(148, 118, 88), _rgb(82, 62, 46)
    tone = _rgb(1 + world.normal(0, 0.05), 1.0, 1 + world.normal(0, 0.06))
    colours: Pixels = (dry + (wet - dry) * moisture) * tone * light
    return colours


def _paint_far_plants(
    world: np.random.Generator,
    ground: _Ground,
    colours: Pixels,
    truth: NDArray[np.uint8],
    stage: float,
    weed_share: float,
) -> None:
    """Paint rows of crop and patches of weed beyond the reach of single plants."""
    shift = world.uniform(0, 50)
    leaves = _look_up(_noise_texture(5, 0.7), ground.across + shift, ground.along, tile=3.0)
    beds = _look_up(_noise_texture(6, 0.2), ground.across + shift, ground.along, tile=11.0)
    from_row = np.abs((ground.across / _ROW_SPACING + 0.5) % 1 - 0.5) * _ROW_SPACING
    far = ground.below_horizon & (ground.distance > _SPRITE_REACH)
    # At a grazing angle plants hide the soil between them, until the rows close.
    crop = far & (from_row < stage * (0.5 + 0.12 * leaves) + 0.016 * (ground.distance - _SPRITE_REACH))
    weed = far & (beds + 0.4 * leaves > 2.4 - 2.6 * weed_share)
    shade = 1 + 0.22 * leaves
    for where, colour, value in ((crop, (74, 116, 52), CROP), (weed, (116, 122, 64), WEED)):
        colours[:, where] = np.array(colour, np.float32)[:, None] * shade[where]
        truth[where] = value


def _paint_sky(
    world: np.random.Generator, weather: str, camera: _Camera, ground: _Ground, colours: Pixels
) -> None:
    height, width = colours.shape[1:]
    rows = int(np.ceil(camera.horizon + 4))
    if rows <= 0:
        return
    zenith, horizon = {
        "clear": (_rgb(84, 138, 206), _rgb(190, 212, 230)),
        "overcast": (_rgb(150, 156, 164), _rgb(204, 206, 206)),
        "low sun": (_rgb(104, 128, 176), _rgb(250, 202, 142)),
        "fog": (_rgb(186, 190, 192), _rgb(206, 208, 206)),
        "night": (_rgb(10, 14, 30), _rgb(28, 34, 54)),
    }[weather]
    upward = np.clip((camera.horizon - np.arange(rows, dtype=np.float32)) / (0.36 * height), 0, 1)[:, None]
    sky = horizon + (zenith - horizon) * upward
    # Clouds are flat layers overhead, so they crowd together towards the horizon.
    overhead = 1 / (upward + 0.12)
    sideways = (np.arange(width, dtype=np.float32)[None] / width - 0.5) * overhead * 2
    clouds = _look_up(
        _noise_texture(7, -0.1), sideways + world.uniform(0, 50), overhead + 0 * sideways, tile=9.0
    )
    cover = np.clip(clouds * 0.5 + world.uniform(-0.5, 0.6), 0, 1)
    brightness = 46 if weather == "night" else 246
    sky = sky * (1 - 0.75 * cover) + brightness * 0.75 * cover
    if weather == "low sun":
        column, row = world.uniform(0, width), camera.horizon * world.uniform(0.3, 1.0)
        y, x = np.mgrid[0:rows, 0:width].astype(np.float32)
        glow = np.exp(-np.hypot(x - column, 1.4 * (y - row)) / (0.13 * width))
        sky = sky + glow * _rgb(120, 90, 40)
    above = ~ground.below_horizon[:rows]
    colours[:, :rows][:, above] = sky[:, above]


# Plants and stones


def _leaf(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    base: NDArray[np.float64],
    tip: NDArray[np.float64],
    lift: float,
    width: float,
    colour: NDArray[np.float64],
    jagged: float = 0.0,
    blunt: float = 0.75,
) -> None:
    """Draw a leaf along an arched spine, one half darker than the other, with a bright vein."""
    along = np.linspace(0, 1, 13)[:, None]
    middle = (base + tip) / 2 + np.array([0.0, -lift])
    spine = (1 - along) ** 2 * base + 2 * along * (1 - along) * middle + along**2 * tip
    direction = np.gradient(spine, axis=0)
    normal = np.stack([-direction[:, 1], direction[:, 0]], 1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    profile = width * np.sin(np.pi * along**blunt)
    if jagged:
        profile *= 1 + jagged * np.where(np.arange(13) % 2, 1.0, -1.0)[:, None]
    left, right = spine + normal * profile, spine - normal * profile

    def tone(factor: float) -> tuple[int, int, int]:
        red, green, blue = np.clip(colour * factor, 0, 255).astype(int)
        return int(red), int(green), int(blue)

    def flat(points: NDArray[np.float64]) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in points]

    bright = rng.uniform(0.85, 1.15)
    draw.polygon(flat(np.concatenate([left, right[::-1]])), fill=tone(0.78 * bright))
    draw.polygon(flat(np.concatenate([left, spine[::-1]])), fill=tone(1.05 * bright))
    inner = spine + normal * profile * 0.55
    draw.polygon(flat(np.concatenate([inner, spine[::-1]])), fill=tone(1.18 * bright))
    draw.line(flat(spine[1:-2]), fill=tone(1.4 * bright), width=_OVERSAMPLE // 2 + 1)


def _draw_plant(draw: ImageDraw.ImageDraw, rng: np.random.Generator, kind: str) -> None:
    unit = _SPRITE * _OVERSAMPLE / 2.0
    centre = np.array([unit, unit * 1.35])
    count, reach, width, squash, lift, colour, jagged = {
        "beet": (rng.integers(6, 10), 0.78, 0.20, 0.55, 0.30, (82, 142, 62), 0.0),
        "maize": (rng.integers(5, 8), 0.92, 0.075, 0.35, 0.62, (104, 158, 58), 0.0),
        "thistle": (rng.integers(7, 12), 0.72, 0.13, 0.60, 0.14, (102, 134, 84), 0.45),
        "grass": (rng.integers(12, 20), 0.85, 0.03, 0.45, 0.42, (122, 150, 66), 0.0),
        "clover": (rng.integers(9, 15), 0.55, 0.15, 0.65, 0.16, (92, 138, 58), 0.0),
    }[kind]
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, count, endpoint=False)
    angles += rng.normal(0, 0.22, count)
    for angle in sorted(angles, key=np.sin):
        length = unit * reach * rng.uniform(0.15 if kind == "clover" else 0.65, 1.0)
        towards = np.array([np.cos(angle), np.sin(angle) * squash])
        tip = centre + towards * length - np.array([0, unit * lift * rng.uniform(0.6, 1.2)])
        tip = np.clip(tip, 3, 2 * unit - 3)
        # Leaves that point away from the viewer lie in the shade of the others.
        tint = np.array(colour) * (0.9 + 0.14 * np.sin(angle)) * rng.normal(1, 0.06, 3)
        if kind == "clover":
            draw.line([tuple(centre), tuple(tip)], fill=(88, 110, 62), width=_OVERSAMPLE)
            for turn in (-0.9, 0.0, 0.9):
                leaf = np.array([np.cos(angle + turn), np.sin(angle + turn) * squash]) * unit * 0.32
                _leaf(draw, rng, tip, np.clip(tip + leaf, 2, 2 * unit - 2), 0, unit * 0.15, tint, blunt=1.1)
        else:
            _leaf(draw, rng, centre, tip, unit * lift * 0.5, unit * width, tint, jagged)


def _plant(kind: str, variant: int) -> _Sprite:
    rng = np.random.default_rng([variant, sum(map(ord, kind)), 5])
    side = _SPRITE * _OVERSAMPLE
    large = Image.new("RGBA", (side, side), (70, 100, 50, 0))
    _draw_plant(ImageDraw.Draw(large), rng, kind)
    return _finished(large, rng)


def _stone(variant: int) -> _Sprite:
    rng = np.random.default_rng([variant, 6])
    side = _SPRITE
    y, x = (np.mgrid[0:side, 0:side].astype(np.float32) - side / 2) / (side * 0.42)
    y = y * rng.uniform(1.25, 1.7)
    angle = np.arctan2(y, x)
    outline = 1 + sum(rng.normal(0, 0.09) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 6))
    radius = np.hypot(x, y) / outline * 1.12
    bulge = np.sqrt(np.clip(1 - radius**2, 0, 1))
    texture = _noise_texture(8, 0.8)[variant * 7 : variant * 7 + side, :side]
    light = 0.45 + 0.5 * bulge + 0.28 * np.clip(-y * 0.7 - x * rng.uniform(-0.6, 0.6), -1, 1) + 0.08 * texture
    base = np.array([(158, 152, 144), (142, 128, 112), (176, 168, 158)][variant % 3], np.float32)
    alpha = np.clip((1 - radius) * 14, 0, 1) * 255
    pixels = np.dstack([np.clip(base * light[..., None], 0, 255), alpha]).astype(np.uint8)
    return _finished(Image.fromarray(pixels, "RGBA"), rng)


def _finished(picture: Image.Image, rng: np.random.Generator) -> _Sprite:
    small = picture.resize((_SPRITE, _SPRITE), Image.Resampling.BOX)
    colours = np.asarray(small).astype(np.float32)
    offset = int(rng.integers(0, 400))
    mottle = _noise_texture(9, 0.9)[offset : offset + _SPRITE, :_SPRITE]
    colours[..., :3] *= (1 + 0.09 * mottle)[..., None] * rng.normal(1, 0.07)
    small = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8), "RGBA")
    squeezed = small.getchannel("A").resize((_SPRITE, _SPRITE // 2))
    shadow = Image.new("L", (_SPRITE, _SPRITE), 0)
    shadow.paste(squeezed, (0, _SPRITE // 2 - 6))
    return _Sprite(small, shadow.filter(ImageFilter.GaussianBlur(5)).point(lambda value: value * 0.6))


@functools.cache
def _sprites(kind: str) -> tuple[_Sprite, ...]:
    return tuple(_stone(v) if kind == "stone" else _plant(kind, v) for v in range(12))


@functools.lru_cache(maxsize=6000)
def _scaled(kind: str, variant: int, side: int) -> tuple[_Sprite, Image.Image, Image.Image]:
    """Return a sprite at a size, its coverage, and where it covers most of a pixel, mode 1."""
    sprite = _sprites(kind)[variant]
    picture = sprite.picture.resize((side, side), Image.Resampling.BILINEAR)
    alpha = picture.getchannel("A")
    opaque = Image.fromarray(np.asarray(alpha) > 127)
    shadow = sprite.shadow.resize((side, side), Image.Resampling.BILINEAR)
    return _Sprite(picture.convert("RGB"), shadow), alpha, opaque


def _paint_straw(world: np.random.Generator, canvas: Image.Image, camera: _Camera) -> None:
    """Litter the ground with straw and twigs, which are soil to the label map."""
    count = int(world.integers(0, 90))
    across = world.uniform(-2.5, 2.5, count)
    along = camera.origin + world.uniform(0, 7, count)
    size = (canvas.height, canvas.width)
    turn, length = world.uniform(0, np.pi, count), world.uniform(0.02, 0.12, count)
    start = _on_screen(camera, size, across, along)
    end = _on_screen(camera, size, across + np.cos(turn) * length, along + np.sin(turn) * length)
    draw = ImageDraw.Draw(canvas)
    brightness = world.uniform(0.6, 1.15, count)
    for i in np.flatnonzero((start[2] > 0.8) & (end[2] > 0.8)):
        colour = tuple(int(v * brightness[i]) for v in (188, 162, 108))
        draw.line([start[0][i], start[1][i], end[0][i], end[1][i]], fill=colour, width=1)


def _paint_near_objects(
    world: np.random.Generator,
    canvas: Image.Image,
    labels: Image.Image,
    camera: _Camera,
    crop_kind: str,
    stage: float,
    weed_share: float,
    sun_side: float,
) -> None:
    size = (canvas.height, canvas.width)
    objects: list[tuple[Pixels, Pixels, Pixels, str, int]] = []
    rows = np.arange(-8, 9) * _ROW_SPACING
    places = np.arange(camera.origin, camera.origin + 8, stage * 0.8 + 0.04)
    across, along = (grid.ravel() for grid in np.meshgrid(rows, places))
    grows = world.random(across.size) > world.uniform(0.02, 0.25)
    across = (across + world.normal(0, 0.02, across.size))[grows]
    along = (along + world.normal(0, 0.03, along.size))[grows]
    objects.append((across, along, stage * world.uniform(0.75, 1.2, across.size), crop_kind, CROP))

    for kind in world.choice(_WEED_KINDS, int(world.integers(1, 4)), replace=False):
        count = int(260 * weed_share)
        centres = world.uniform(-1, 1, (7, 2)) * [3, 3] + [0, camera.origin + 3.5]
        chosen = centres[world.integers(0, 7, count)]
        spread = chosen + world.normal(0, 0.9, (count, 2))
        sizes = world.uniform(0.06, stage + 0.08, count)
        objects.append((spread[:, 0], spread[:, 1], sizes, str(kind), WEED))

    if world.random() < STONE_SHARE:
        count = int(world.integers(1, 4))
        ahead = camera.origin + world.uniform(1.9, 2.6, count)
        objects.append(
            (world.uniform(-0.6, 0.6, count), ahead, world.uniform(0.08, 0.2, count), "stone", STONE)
        )

    visible = []
    for x, z, extents, kind, value in objects:
        columns, feet, distance = _on_screen(camera, size, x, z)
        sides = extents * camera.focal / np.maximum(distance, 0.05)
        variants = world.integers(0, 12, x.size)
        seen = (distance > 0.7) & (distance < _SPRITE_REACH + 0.25) & (sides > 2)
        seen &= (columns > -sides) & (columns < size[1] + sides) & (feet < size[0] + 1.5 * sides)
        visible += [
            (distance[i], columns[i], feet[i], sides[i], kind, variants[i], value)
            for i in np.flatnonzero(seen)
        ]
    for _, column, foot, extent, kind, variant, value in sorted(visible, key=lambda thing: -thing[0]):
        side = max(3, round(extent * 1.5))
        sprite, alpha, opaque = _scaled(kind, int(variant), side if side < 24 else side // 2 * 2)
        side = sprite.picture.width
        # The foot of a plant is at 0.68 of its picture, that of a stone at its lower edge.
        corner = (round(column - side / 2), round(foot - side * (0.68 if value != STONE else 0.7)))
        box = (*corner, corner[0] + side, corner[1] + side)
        if side > 8:
            sideways = round(side * 0.16 * sun_side)
            canvas.paste((26, 20, 14), (box[0] + sideways, box[1], box[2] + sideways, box[3]), sprite.shadow)
        canvas.paste(sprite.picture, box, alpha)
        labels.paste(value, box, opaque)


# The camera


def _photograph(
    world: np.random.Generator,
    moment: np.random.Generator,
    colours: Pixels,
    truth: NDArray[np.uint8],
    ground: _Ground,
    weather: str,
) -> NDArray[np.uint8]:
    """Add light, weather and the camera's faults."""
    height, width = truth.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns / width - 0.5, rows / height - 0.5
    foliage = _rgb(world.normal(0, 0.12), world.normal(0, 0.05), world.normal(0, 0.15))
    strength = np.array([0, 0, 1, world.uniform(0.3, 1.0), 0], np.float32)[truth]
    colours = colours * (1 + foliage * strength)

    sky = ~ground.below_horizon
    light = 1 + world.normal(0, 0.25) * x + world.normal(0, 0.12) * y
    if weather in {"clear", "low sun"}:
        shade = _look_up(
            _noise_texture(11, -0.2), ground.across + world.uniform(0, 50), ground.along, tile=18.0
        )
        light *= 1 - world.uniform(0.1, 0.5) * np.clip(1.6 * shade - 0.4, 0, 1) * ground.below_horizon
    tint = {
        "clear": _rgb(1.06, 1.02, 0.96),
        "overcast": _rgb(0.86, 0.90, 0.94),
        "low sun": _rgb(1.18, 0.98, 0.74),
        "fog": _rgb(0.95, 0.97, 1.0),
        "night": _rgb(0.30, 0.36, 0.50),
    }[weather]
    shown = colours * light * tint
    if weather == "night":
        lamp = np.exp(
            -(((x - world.normal(0, 0.08)) / 0.36) ** 2) - ((y - world.uniform(0.05, 0.25)) / 0.34) ** 2
        )
        shown += colours * (lamp * world.uniform(0.5, 0.9) * ~sky) * _rgb(1.0, 0.95, 0.8)
    haze = {"fog": world.uniform(0.12, 0.35), "night": 0.0}.get(weather, 0.012)
    amount = np.where(sky, 0.6 if weather == "fog" else 0.0, 1 - np.exp(-haze * ground.distance))
    shown = shown * (1 - amount) + _rgb(198, 202, 204) * amount

    exposure = world.uniform(0.82, 1.15) * moment.uniform(0.95, 1.05)
    contrast = world.uniform(0.75, 1.15)
    mean = shown.mean()
    shown = ((shown - mean) * contrast + mean) * exposure * (1 - 0.35 * (x**2 + y**2))
    blur = float(np.clip(world.gamma(1.2, 0.45), 0, 2.2)) * moment.uniform(0.8, 1.2)
    picture = _as_picture(shown)
    if blur > 0.35:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    grain = world.uniform(1.0, 4.0) + (6.0 if weather == "night" else 0.0)
    noise = moment.standard_normal((height, width, 1), dtype=np.float32)
    noisy = np.asarray(picture) + grain * noise
    return np.clip(noisy, 0, 255).astype(np.uint8)
