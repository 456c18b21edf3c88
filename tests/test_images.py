"""Folders of images: every pixel as it is in the file, in the order of the paths."""

import numpy as np
import pytest
from PIL import Image

from tests.wrong_data import IMAGES, Wrong, matches
from zoo.api import load_data
from zoo.data.contents import WHOLE
from zoo.data.options import FileOptions
from zoo.data.readers import images
from zoo.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (12, 2, 3), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (4, 2, 3, 3), dtype=np.uint8)


def read_folder(folder):
    """Bytes and classes of a folder without splits."""
    part = images.read(folder, FileOptions()).parts[WHOLE]
    return part.x, part.labels


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "pgm", "PNG"])
def test_grey_images_are_their_bytes_in_the_order_of_their_names(tmp_path, suffix):
    for place in reversed(range(12)):
        write(tmp_path / f"{place:02}.{suffix}", GREY[place])
    x, classes = read_folder(tmp_path)
    assert (x.shape, x.dtype, classes) == ((12, 2, 3), np.uint8, None)
    assert np.array_equal(x, GREY)


def test_colours_come_first_and_a_grey_image_among_them_has_three_equal_channels(tmp_path):
    for place, pixels in enumerate([*RGB, GREY[0]]):
        write(tmp_path / f"{place}.png", pixels)
    x, _ = read_folder(tmp_path)
    assert np.array_equal(x[:4], RGB.transpose(0, 3, 1, 2))
    assert np.array_equal(x[4], np.stack([GREY[0]] * 3))


def test_a_palette_is_the_colours_it_stands_for(tmp_path):
    image = Image.fromarray(RGB[0]).quantize(6)
    image.save(tmp_path / "a.png")
    x, _ = read_folder(tmp_path)
    assert np.array_equal(x[0], np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_black_and_white_images_are_bits(tmp_path):
    for place in range(12):
        Image.fromarray(GREY[place] > 127).save(tmp_path / f"{place:02}.png")
    data = load_data(f"{tmp_path}/")
    assert data.spec.support == "bits"
    assert sum(getattr(data, split).sum().item() for split in ("train", "valid", "test")) == (GREY > 127).sum()


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path):
    for place in range(12):
        write(tmp_path / ("dog", "cat", "eel")[place % 3] / f"{place:02}.png", GREY[place])
    x, classes = read_folder(tmp_path)
    assert classes.tolist() == ["cat"] * 4 + ["dog"] * 4 + ["eel"] * 4
    assert np.array_equal(x, GREY[[1, 4, 7, 10, 0, 3, 6, 9, 2, 5, 8, 11]])


def test_hidden_files_and_other_endings_are_left_out(tmp_path):
    write(tmp_path / "a.png", GREY[0])
    write(tmp_path / ".checkpoints" / "b.png", GREY[1])
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    (tmp_path / "README.txt").write_text("twelve pictures")
    x, classes = read_folder(tmp_path)
    assert (len(x), classes) == (1, None)


def test_the_pixels_of_a_folder_are_grey_values_in_0_to_1(tmp_path):
    for place in range(12):
        write(tmp_path / f"{place:02}.png", GREY[place])
    data = load_data(tmp_path)
    every = np.concatenate([data.train, data.valid, data.test])
    assert (data.spec.shape, data.spec.support) == ((2, 3), "unit")
    assert sorted((every * 255).round().tolist()) == sorted(GREY.tolist())


@pytest.mark.parametrize("wrong", IMAGES, ids=str)
def test_a_wrong_folder_is_refused(tmp_path, wrong: Wrong):
    with pytest.raises(DataError) as refusal:
        load_data(wrong.make(tmp_path))
    assert matches(wrong.message, str(refusal.value))


def test_a_drawing_in_postscript_is_no_image_whatever_its_ending_says(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "a.png", "EPS")
    with pytest.raises(DataError, match=r"a\.png is not an image, despite its extension"):
        read_folder(tmp_path)


def test_what_lies_deeper_than_classes_is_refused_and_what_lies_deeper_still_not_looked_for(tmp_path):
    write(tmp_path / "a" / "b" / "c" / "0.png", GREY[0])
    with pytest.raises(DataError, match="contains no images"):
        read_folder(tmp_path)
    write(tmp_path / "a" / "b" / "0.png", GREY[0])
    with pytest.raises(DataError, match="one subfolder of images per class, not both or deeper ones"):
        read_folder(tmp_path)
