"""The site: README, docs/, notebooks/ and results/ as pages, exactly as they are committed.

`make site` builds it into build/site. The sources stay where they are (this folder holds settings
alone), so a link from one file to another is right in the repository and on the site. Nothing is
executed, and a page loads nothing from the net.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
from contents import LISTED

project = "DAFormer: the course and reproduction kit"
html_title = "DAFormer course"
language = "en"
root_doc = "README"
include_patterns = LISTED
# Folders that hold no pages, and are not walked through.
exclude_patterns = [".*", "build", "data", "runs", "**.failed.ipynb", "docs/_*"]

extensions = ["myst_nb", "contents", "formulas", "without_kernel"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
# A shell line with "<a run's folder>" in it is coloured as far as it can be.
suppress_warnings = ["misc.highlighting_failure"]
nb_ipywidgets_js = {}  # its default is an address in the net

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]  # index.html, which leads to the first page
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
html_math_renderer = "formulas"
