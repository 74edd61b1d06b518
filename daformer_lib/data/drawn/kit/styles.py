"""What makes each mini domain look the way it does: every strength of the domain gap, in one place.

Two findings of our feasibility study set the middle of these numbers: a target whose colours lie
all the way at `CAMERA` cannot be learnt by self-training (a class whose recall starts near zero
stays there), and people's clothing and trucks need the smallest shift.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from daformer_lib.data.drawn.kit.palettes import GAME, SIMULATOR, Palette

Range = tuple[float, float]


@dataclass(frozen=True)
class Shifts:
    """Share of the way from the domain's own palette to `CAMERA`, drawn anew for each colour."""

    stuff: Range = (0.0, 0.0)
    signs: Range = (0.0, 0.0)
    people: Range = (0.0, 0.0)
    vehicles: Range = (0.0, 0.0)
    two_wheelers: Range = (0.0, 0.0)


@dataclass(frozen=True)
class Photo:
    """What lens, sensor and weather do to the finished drawing; 0 switches an effect off."""

    texture: Range = (0.0, 0.0)  # contrast of each surface's own grain (1 = asphalt 9 levels)
    patches: float = 0.0  # standard deviation of large soft brightness patches, share of 1
    saturation: Range = (1.0, 1.0)  # 1 keeps the colours, 0 is grey
    exposure: float = 0.0  # standard deviation of log2 brightness
    white_balance: float = 0.0  # standard deviation of each channel's gain
    vignette: float = 0.0  # share of brightness lost in the corners
    blur: Range = (0.0, 0.0)  # Gaussian sigma, px
    noise: Range = (0.0, 0.0)  # Gaussian sigma, grey levels


@dataclass(frozen=True)
class Air:
    """Haze and light."""

    haze: Range = (0.0, 0.0)  # extinction per metre
    haze_colour: tuple[float, float, float] = (200.0, 215.0, 232.0)
    ambient: Range = (0.74, 0.8)  # brightness of faces in the shade
    shadow: Range = (0.6, 0.7)  # brightness of the ground in shadow; 1 = overcast
    house_shadow: float = 0.0  # chance that one row of houses shades the street


@dataclass(frozen=True)
class ViewRange:
    """Where the camera stands."""

    height: Range  # metres
    focal: Range  # px of the 256 wide image, whatever the scale
    horizon: Range  # share of the image height, from the top
    bonnet: bool = False  # the ego car's bonnet, labelled 255, at the bottom


@dataclass(frozen=True)
class Street:
    """Widths in metres, and chances per side of the street."""

    lanes: tuple[int, ...] = (2, 3, 4)  # to choose from
    sidewalk: Range = (2.4, 4.2)
    park: float = 0.2  # a park or gardens instead of houses
    lawn: float = 0.4  # a grass strip beside the sidewalk
    crossing: float = 0.35  # a side street (per image)


@dataclass(frozen=True)
class Chances:
    """How often things appear: chance per image, or a mean number where it says so."""

    cars: float = 2.6  # mean number of driving cars
    parked: float = 2.0  # mean number of parked cars
    people: float = 1.6  # mean number of pedestrians
    bicycle_rider: float = 0.035
    motorcycle_rider: float = 0.03
    parked_bicycle: float = 0.025
    parked_motorcycle: float = 0.02
    truck: float = 0.055
    bus: float = 0.045
    train: float = 0.02
    wall: float = 0.3
    fence: float = 0.3
    trees: float = 3.0  # mean number
    hedge: float = 0.3
    lamps: float = 0.8
    traffic_light: float = 0.3
    signs: float = 1.2  # mean number


@dataclass(frozen=True)
class Distances:
    """Metres from the camera to the near end of things, nearest and farthest."""

    car: Range = (6.5, 34.0)
    large: Range = (7.5, 17.0)  # bus, truck, train
    two_wheeler: Range = (5.0, 10.5)
    person: Range = (4.5, 18.0)
    post: Range = (5.5, 16.0)  # traffic lights and signs


@dataclass(frozen=True)
class DomainStyle:
    """One domain; tune the gap here and nowhere else."""

    name: str
    palette: Palette = field(repr=False)
    view: ViewRange
    air: Air = Air()
    photo: Photo = Photo()
    shifts: Shifts = Shifts()
    street: Street = Street()
    chances: Chances = Chances()
    distances: Distances = Distances()
    absent: tuple[str, ...] = ()  # classes this domain has no label for
    scenes_of: str = ""  # the domain whose scenes these are too, in another light; "" = its own
    scale: int = 1  # pixels for each one of the 256x128 image, in either direction


MINIGTA = DomainStyle(
    name="minigta",
    palette=GAME,
    view=ViewRange(height=(1.7, 2.3), focal=(150, 185), horizon=(0.40, 0.48)),
    air=Air(haze=(0.001, 0.004), shadow=(0.55, 0.65)),
    photo=Photo(texture=(0.12, 0.12), saturation=(1.0, 1.15)),
    chances=Chances(
        people=2.2,
        bicycle_rider=0.022,
        motorcycle_rider=0.02,
        parked_bicycle=0.016,
        parked_motorcycle=0.014,
        truck=0.06,
        bus=0.055,
        train=0.025,
        wall=0.4,
        fence=0.4,
    ),
    distances=Distances(person=(3.6, 14.0), post=(4.8, 13.0)),
)

# The same game in a garden town: twice the vegetation, so that the classes' shares are not those of
# the target, and what normalises with a batch's statistics labels with the wrong ones.
MINIGTA_GREEN = replace(
    MINIGTA,
    name="minigta_green",
    street=replace(MINIGTA.street, park=0.75, lawn=0.6),
    chances=replace(MINIGTA.chances, trees=6.0, hedge=0.6),
)

MINISYNTHIA = DomainStyle(
    name="minisynthia",
    palette=SIMULATOR,
    view=ViewRange(height=(1.2, 3.4), focal=(140, 190), horizon=(0.34, 0.48)),
    air=Air(haze=(0.0, 0.003), shadow=(0.6, 0.8)),
    photo=Photo(texture=(0.2, 0.2), saturation=(0.85, 1.05), blur=(0.0, 0.3), noise=(0.0, 2.0)),
    street=Street(lanes=(2, 3, 4), sidewalk=(2.5, 4.5), park=0.2, lawn=0.0),
    chances=Chances(
        people=4.5, bicycle_rider=0.06, motorcycle_rider=0.05, parked_bicycle=0.05, bus=0.08,
        truck=0.0, train=0.0,
    ),
    absent=("terrain", "truck", "train"),
)  # fmt: skip

MINICITYSCAPES = DomainStyle(
    name="minicityscapes",
    palette=GAME,
    view=ViewRange(height=(1.2, 1.4), focal=(175, 200), horizon=(0.40, 0.45), bonnet=True),
    air=Air(
        haze=(0.002, 0.012), haze_colour=(206, 208, 208), ambient=(0.7, 0.86),
        shadow=(0.55, 0.85), house_shadow=0.4,
    ),
    photo=Photo(
        texture=(0.2, 0.8), patches=0.06, saturation=(0.5, 0.95), exposure=0.2, white_balance=0.05,
        vignette=0.22, blur=(0.2, 0.5), noise=(1.5, 3.5),
    ),
    shifts=Shifts(
        stuff=(0.05, 0.8), signs=(0.0, 0.3), people=(0.0, 0.2), vehicles=(0.0, 0.45),
        two_wheelers=(0.1, 0.5),
    ),
    street=Street(lanes=(2, 2, 3), sidewalk=(2.6, 5.0), park=0.25, lawn=0.5, crossing=0.4),
    chances=Chances(
        cars=2.4, parked=2.6, people=4.0, bicycle_rider=0.18, motorcycle_rider=0.18,
        parked_bicycle=0.14, parked_motorcycle=0.15, truck=0.16, bus=0.16, train=0.17, wall=0.4,
        fence=0.46, trees=3.6, hedge=0.3, lamps=0.85, traffic_light=0.42, signs=1.8,
    ),
    distances=Distances(person=(3.8, 15.0), post=(4.8, 14.0)),
)  # fmt: skip

# The same scenes on worse days, through a worse camera: some classes cannot be found from the
# source alone, and self-training buries them.
MINICITYSCAPES_WIDE = replace(
    MINICITYSCAPES,
    name="minicityscapes_wide",
    air=replace(MINICITYSCAPES.air, haze=(0.002, 0.02)),
    photo=replace(MINICITYSCAPES.photo, texture=(0.2, 1.0), blur=(0.35, 0.7), noise=(2.0, 4.5)),
    shifts=Shifts(
        stuff=(0.1, 1.0), signs=(0.1, 1.0), people=(0.1, 0.6), vehicles=(0.2, 0.9),
        two_wheelers=(0.2, 0.9),
    ),
    scenes_of="minicityscapes",
)  # fmt: skip

# The same scenes in fog: what is far is grey, colours are pale, shadows soft.
MINICITYSCAPES_FOG = replace(
    MINICITYSCAPES,
    name="minicityscapes_fog",
    air=replace(
        MINICITYSCAPES.air, haze=(0.02, 0.06), haze_colour=(214, 215, 216), shadow=(0.85, 1.0)
    ),
    photo=replace(MINICITYSCAPES.photo, saturation=(0.35, 0.7)),
    scenes_of="minicityscapes",
)  # fmt: skip

# Twice the pixels, and people and posts up to twice as far: what is small at 256x128 is as small
# here, and at half resolution gone.
_FAR = {"person": (3.8, 28.0), "post": (4.8, 28.0)}
MINIGTA_HD = replace(
    MINIGTA, name="minigta_hd", scale=2, distances=replace(MINIGTA.distances, **_FAR)
)
MINICITYSCAPES_HD = replace(
    MINICITYSCAPES,
    name="minicityscapes_hd",
    scale=2,
    distances=replace(MINICITYSCAPES.distances, **_FAR),
)

STYLES = {
    style.name: style
    for style in (
        MINIGTA, MINIGTA_GREEN, MINISYNTHIA, MINICITYSCAPES, MINICITYSCAPES_WIDE,
        MINICITYSCAPES_FOG, MINIGTA_HD, MINICITYSCAPES_HD,
    )
}  # fmt: skip


def get_style(domain: str) -> DomainStyle:
    if domain not in STYLES:
        raise KeyError(f"unknown mini domain {domain!r}; choose one of {sorted(STYLES)}")
    return STYLES[domain]
