"""What a user's own set says of itself in tests: three classes at 64x32, and a label of stripes."""

import numpy as np

SIZE = (64, 32)  # (width, height)
SPEC = {
    "name": "own",
    "classes": ["soil", "crop", "road"],
    "palette": [[200, 40, 0], [0, 90, 30], [10, 20, 250]],
    "things": [],
    "id_map": {0: 0, 1: 1, 2: 2},
    "image_pattern": "{split}/img/{stem}.png",
    "label_pattern": "{split}/lab/{stem}.png",
    "train_id_pattern": "{split}/ids/{stem}.png",
    "splits": ["train", "val", "test"],
    "size": list(SIZE),
}
STRIPES = np.repeat(np.array([0, 1, 2, 2], np.uint8), SIZE[0] // 4)[None].repeat(SIZE[1], 0)
