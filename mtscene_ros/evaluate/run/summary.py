"""Scores as a person reads them in a terminal."""

from __future__ import annotations

from typing import Any

from mtscene_ros.terminal import plural

# Of all scores, those that are printed: task → (score, format).
SHOWN = {
    'semantic': ('miou', 'present_miou', 'accuracy', 'ece', 'flicker'),
    'human_parts': ('miou', 'present_miou'),
    'depth': ('abs_rel', 'rmse', 'delta1', 'coverage'),
    'normals': ('mean_deg', 'within_11'),
    'boundary': ('ods_f',),
    'saliency': ('max_f',),
    'boxes3d': ('map', 'mds_amodal', 'ece'),
    'latency': ('p50_ms', 'p95_ms', 'p99_ms'),
}


def table(found: dict[str, Any]) -> str:
    """Markdown: what came of the images, scores by task, boxes by class, remarks."""
    counts, metrics = found['counts'], found['metrics']
    received, published = counts['received'], counts['published']
    lines = [
        f'{published} of {plural(received, "image")} answered, {counts["dropped"]} dropped, '
        f'{counts["failed"]} failed',
        '',
        '| task | frames with truth | |',
        '|---|---|---|',
    ]
    for task, scores in metrics.items():
        names = [name for name in SHOWN.get(task, tuple(scores)) if name in scores]
        values = ', '.join(f'{name} {scores[name]:.4g}' for name in names)
        if values and task != 'frames':
            lines.append(f'| {task} | {counts["with_truth"].get(task, "")} | {values} |')
    lines += box_lines(metrics.get('boxes3d', {}))
    lines += ['', *(f'- {note}' for note in found['notes'])] if found['notes'] else []
    return '\n'.join(lines)


def box_lines(scores: dict[str, float]) -> list[str]:
    classes = [name.removesuffix('.truths') for name in scores if name.endswith('.truths')]
    if not classes:
        return []
    lines = [
        '',
        '| boxes | truths | AP | recall | centre | heading |',
        '|---|---|---|---|---|---|',
    ]
    for name in classes:
        get = {k: scores.get(f'{name}.{k}', float('nan')) for k in COLUMNS}
        lines.append(
            f'| {name} | {get["truths"]:.0f} | {get["ap"]:.3f} | {get["recall"]:.3f} | '
            f'{get["distance_m"]:.2f} m | {get["yaw_error_deg"]:.1f}° |'
        )
    return lines


COLUMNS = ('truths', 'ap', 'recall', 'distance_m', 'yaw_error_deg')
