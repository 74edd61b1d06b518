"""The report's page as a jinja2 template: plain HTML and CSS, readable on a phone and on paper."""

_STYLE = """
:root { --ink: #1f2933; --muted: #5f6c79; --line: #dfe4e8; --soft: #f5f7f8; --teal: #1f7a6c; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: white;
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.7rem; margin: 0 0 4px; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 46px 0 6px; }
p { max-width: 76ch; margin: 6px 0 12px; }
.lead { font-size: 1.25rem; font-weight: 600; color: var(--teal); margin: 14px 0 6px; }
.muted, small { color: var(--muted); }
.facts { display: flex; flex-wrap: wrap; gap: 4px 26px; padding: 12px 16px; margin: 16px 0 0;
  background: var(--soft); border-radius: 8px; }
.facts div { display: flex; gap: 8px; } .facts dt { color: var(--muted); } .facts dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 16px 7px 0; text-align: right; vertical-align: top;
  white-space: nowrap; }
th:first-child { text-align: left; }
thead th { border-bottom: 1px solid #9aa5b1; font-weight: 600; }
thead small { display: block; font-weight: 400; }
tbody th { font-weight: 500; } tbody tr + tr > * { border-top: 1px solid var(--line); }
.stripe { border-top: 4px solid; padding-left: 16px; }
.panels { border-spacing: 6px; border-collapse: separate; min-width: 760px; width: 100%;
  table-layout: fixed; }
.panels th { text-align: left; padding: 0; border: 0 !important; }
.panels td { padding: 0; border: 0 !important; position: relative; }
.panels img { display: block; width: 100%; border-radius: 3px; image-rendering: pixelated;
  transition: transform .12s; }
.panels td:first-child img { transform-origin: left center; image-rendering: auto; }
.panels td:last-child img { transform-origin: right center; }
.panels td:hover img, .panels td:focus img { transform: scale(1.9); position: relative; z-index: 2;
  box-shadow: 0 4px 22px rgba(0, 0, 0, .35); }
.note { position: absolute; right: 5px; bottom: 5px; padding: 0 6px; border-radius: 3px;
  background: rgba(20, 24, 29, .8); color: white; font-size: .75rem; }
.empty { aspect-ratio: 2; display: grid; place-items: center; background: var(--soft);
  color: var(--muted); font-size: .85rem; border-radius: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 8px 0; padding: 0;
  list-style: none; font-size: .9rem; }
.legend i { display: inline-block; width: 14px; height: 14px; margin-right: 7px; border-radius: 3px;
  border: 1px solid rgba(0, 0, 0, .35); vertical-align: -2px; }
.chart { max-width: 100%; height: auto; display: block; }
.times { width: 100%; max-width: 860px; } .times td:nth-child(2) { width: 45%; text-align: left; }
.bar { background: var(--teal); height: 12px; border-radius: 3px; margin-top: 7px; min-width: 2px; }
.bar.reused { background: #b8c4cc; } .bar.failed { background: #cc4c3b; }
@media print { .wide { overflow: visible; } h2 { break-after: avoid; } }
@media (prefers-reduced-motion: reduce) { .panels img { transition: none; } }
"""

PAGE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.title }}</title>
<style>"""
    + _STYLE
    + """</style>
</head>
<body>
<main>
<h1>{{ report.title }}</h1>
<p class="lead">{{ headline }}</p>
<p class="muted">One run with one seed: differences smaller than the spread over seeds say nothing.
The study's column has several seeds; the paper's numbers come from real data at full size.</p>
<dl class="facts">
<div><dt>profile</dt><dd>{{ report.profile }}</dd></div>
<div><dt>seed</dt><dd>{{ report.seed }}</dd></div>
<div><dt>scored on</dt><dd>{{ report.spec.name }}, {{ report.split }}</dd></div>
{% for name, value in report.machine.items() %}
<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>
{% endfor %}
<div><dt>made</dt><dd>{{ report.created }}</dd></div>
<div><dt>with</dt><dd><code>{{ report.command }}</code></dd></div>
</dl>
{% for note in report.notes %}
<p>{{ note }}</p>
{% endfor %}

<h2>What each part adds</h2>
{% if rows %}
<p>Mean IoU in percent. The three kinds of numbers are measured on different things: compare the
order of the rows, not one column with another.</p>
<div class="wide"><table>
<thead><tr><th scope="col">method</th>
{% for kind in ("paper", "study", "live") %}
<th scope="col" class="stripe" style="border-top-color: {{ colours[kind] }}">{{ kinds[kind][0] }}
<small>{{ kinds[kind][1] }}</small></th>
{% endfor %}
<th scope="col" class="stripe" style="border-top-color: {{ colours.live }}">This run, rare classes
<small>mean of rider, truck, bus, train, …</small></th></tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.name }}</th>
<td>{{ row.paper }}{% if row.paper_table %} <small>{{ row.paper_table }}</small>{% endif %}</td>
<td>{{ row.study }}</td><td>{{ row.live }}</td><td>{{ row.rare }}</td></tr>
{% endfor %}
</tbody></table></div>
{% else %}
<p>No run is finished yet.</p>
{% endif %}

<h2>Labels that the networks give</h2>
{% if panels %}
<p>Target images ({{ report.split }} split) whose labels no network has seen. Point at a picture, or
move to it with the tab key, to enlarge it; its own mIoU stands in its corner.</p>
<ul class="legend">
{% for chip in legend %}
<li><i style="background: {{ chip.colour }}"></i>{{ chip.name }}</li>
{% endfor %}
</ul>
<div class="wide"><table class="panels">
<thead><tr>
{% for column in columns %}
<th scope="col">{{ column }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in panels %}
<tr>
{% for cell in row.cells %}
{% if cell.uri %}
<td tabindex="0"><img src="{{ cell.uri }}" alt="{{ row.name }}: {{ cell.title }} {{ cell.note }}">
{% if cell.note %}
<span class="note">{{ cell.note }}</span>
{% endif %}
</td>
{% else %}
<td><div class="empty">{{ cell.note }}</div></td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% else %}
<p>There are no labels to show yet.</p>
{% endif %}

<h2>Class by class</h2>
{% if bars %}
<p>Bold names are the rare classes. A dash stands for a class that occurs nowhere.</p>
<div class="wide"><img class="chart" src="{{ bars }}" alt="IoU per class. {{ bar_text }}"></div>
{% else %}
<p>No scores yet.</p>
{% endif %}

<h2>Time that each step took</h2>
{% if steps %}
<div class="wide"><table class="times">
<tbody>
{% for step in steps %}
<tr><th scope="row">{% if step.link %}<a href="{{ step.link }}">{{ step.name }}</a>{% else %}
{{ step.name }}{% endif %}</th>
<td><div class="bar {{ step.status }}" style="width: {{ step.share }}%"></div></td>
<td>{{ step.time }}</td><td>{{ step.status }}</td></tr>
{% endfor %}
<tr><th scope="row">together</th><td></td><td>{{ total }}</td><td></td></tr>
</tbody></table></div>
<p class="muted">Steps may overlap: two trainings run side by side.</p>
{% else %}
<p>Nothing has been timed yet.</p>
{% endif %}
</main>
</body>
</html>
"""
)
