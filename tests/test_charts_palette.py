"""Can every rating be told from every other, by all kinds of sight, and can all text be read?"""

from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from reviewlab.charts.style import RATING_COLOURS, canvas, inks, luminance, readable_on, scale_colours

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
CAT02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.0030, 0.0136, 0.9834]])
HPE = np.array([[0.38971, 0.68898, -0.07868], [-0.22981, 1.18340, 0.04641], [0.0, 0.0, 1.0]])


def cam02_ucs(colour, sight):
    """
    Coordinates J', a', b' of Luo, Cui and Li 2006, seen under the sRGB viewing conditions (CIECAM02, average surround).
    """
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    white = XYZ @ np.ones(3) * 100
    adapting, background = 64 / np.pi / 5, 20.0
    k = 1 / (5 * adapting + 1)
    level = 0.2 * k**4 * 5 * adapting + 0.1 * (1 - k**4) ** 2 * (5 * adapting) ** (1 / 3)
    induction = background / white[1]
    brightness = 0.725 * (1 / induction) ** 0.2
    z = 1.48 + np.sqrt(induction)
    degree = 1 - 1 / 3.6 * np.exp((-adapting - 42) / 92)
    gain = white[1] * degree / (CAT02 @ white) + 1 - degree

    def response(xyz):
        cone = HPE @ np.linalg.solve(CAT02, gain * (CAT02 @ xyz))
        power = (level * np.abs(cone) / 100) ** 0.42
        return np.sign(cone) * 400 * power / (power + 27.13) + 0.1

    def achromatic(r):
        return (2 * r[0] + r[1] + r[2] / 20 - 0.305) * brightness

    seen = response(XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) * 100)
    a, b = seen[0] - 12 * seen[1] / 11 + seen[2] / 11, (seen[0] + seen[1] - 2 * seen[2]) / 9
    hue = np.arctan2(b, a)
    lightness = 100 * (achromatic(seen) / achromatic(response(white))) ** (0.69 * z)
    eccentricity = (np.cos(hue + 2) + 3.8) / 4
    t = 50000 / 13 * brightness * eccentricity * np.hypot(a, b) / (seen[0] + seen[1] + 21 / 20 * seen[2])
    chroma = t**0.9 * np.sqrt(lightness / 100) * (1.64 - 0.29**induction) ** 0.73
    colourfulness = np.log1p(0.0228 * chroma * level**0.25) / 0.0228
    return np.array(
        [1.7 * lightness / (1 + 0.007 * lightness), colourfulness * np.cos(hue), colourfulness * np.sin(hue)]
    )


def distance(one, other, sight):
    return float(np.linalg.norm(cam02_ucs(one, sight) - cam02_ucs(other, sight)))


def contrast(ink, paper):
    """
    Contrast ratio of WCAG 2.2.
    """
    dark, light = sorted((luminance(to_hex(ink)), luminance(to_hex(paper))))
    return (light + 0.05) / (dark + 0.05)


def test_the_colour_distance_agrees_with_the_published_one():
    """
    A palette test is worth as much as its ruler: black to white is 100, red to green under deutan sight is short.
    """
    black_white = distance("#000000", "#ffffff", "normal")
    red_green = distance("#d73027", "#1a9850", "normal"), distance("#d73027", "#1a9850", "deutan")

    assert black_white == pytest.approx(100, abs=0.5)
    assert red_green[1] < 15 < 50 < red_green[0]


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_any_two_ratings_are_told_apart(k, sight):
    """
    One reader in twelve men does not see red and green.
    """
    closest = min(distance(a, b, sight) for a, b in combinations(scale_colours(k), 2))

    assert closest >= 20


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("k", [6, 10, 11])
def test_longer_scales_keep_their_order_and_their_neighbours_apart(k, sight):
    """
    Eleven colours cannot all be far apart; each must still differ from the next, and more so from the one after.
    """
    colours = scale_colours(k)

    steps = [distance(a, b, sight) for a, b in pairwise(colours)]
    strides = [distance(a, b, sight) for a, b in zip(colours, colours[2:], strict=False)]
    assert min(steps) >= 5
    assert min(strides) > min(steps)


@pytest.mark.parametrize("paper", ["white", "#f8f8f8", "#111111", "#2b2b2b"])
def test_inks_can_be_read_on_light_and_dark_paper(paper):
    """
    Given an Axes in a dark style, a chart may not write black on black.
    """
    figure, ax = plt.subplots(facecolor=paper)
    ax.set_facecolor(paper)

    ink = inks(ax)

    plt.close(figure)
    assert min(contrast(c, paper) for c in (ink.strong, ink.muted, ink.accent, ink.second, ink.alarm)) >= 4.5


def test_text_on_a_coloured_cell_can_be_read():
    """
    Numbers stand on every shade between the worst and the best.
    """
    cells = [*RATING_COLOURS, *scale_colours(11), *(to_hex((g, g, g)) for g in np.linspace(0, 1, 50))]

    assert min(contrast(readable_on(cell), cell) for cell in cells) >= 4.5


def test_a_figure_that_fails_to_draw_is_closed_again():
    """
    A failed call may not leave half a picture to the notebook.
    """
    with pytest.raises(ZeroDivisionError), canvas(None):
        raise ZeroDivisionError

    assert plt.get_fignums() == []
