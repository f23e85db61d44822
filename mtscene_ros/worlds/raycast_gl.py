"""Finds the nearest solids with headless OpenGL: `raycast.set_caster(open_caster())`.

Each solid is drawn as a rectangle whose fragments intersect their ray with it, as raycast.py does
on the CPU; the depth buffer keeps the nearest hit, and one bit per owner keeps the silhouettes.
Needs moderngl and EGL. Mesa's software renderer works but is no faster than NumPy on one core,
because shading takes most of a frame. Depths are float32 and differ from the reference by a few
1e-6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds.raycast import NEAR_PLANE_M, Caster, Nearest, nearest, rectangle
from mtscene_ros.worlds.solid import F64, Solid

OWNERS = 32  # bits per pixel of the silhouette image
FLOATS = 28  # per solid, see _rows
_VERTEX = """
#version 430
in vec4 area; in vec4 what; in vec3 r0; in vec3 r1; in vec3 r2; in vec3 center; in vec3 half_m;
in vec4 more; in float number;
uniform vec2 size;
flat out vec4 f_what; flat out mat3 f_turn; flat out vec3 f_center; flat out vec3 f_half;
flat out vec4 f_more; flat out float f_number;
void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = vec4(mix(area.xy, area.zw, corner) / size * 2.0 - 1.0, 0.0, 1.0);
    f_what = what; f_turn = mat3(r0, r1, r2);
    f_center = center; f_half = half_m; f_more = more; f_number = number;
}
"""
_FRAGMENT = """
#version 430
layout(r32ui, binding = 0) uniform uimage2D owners;
flat in vec4 f_what; flat in mat3 f_turn; flat in vec3 f_center; flat in vec3 f_half;
flat in vec4 f_more; flat in float f_number;
uniform vec4 camera; uniform float near_m;
out vec2 found;
// Clips the ray's depth range to the inner side of the plane n p = offset.
void clip(vec3 n, float offset, vec3 o, vec3 d, inout float enter, inout float leave) {
    float slope = dot(n, d), gap = offset - dot(n, o);
    if (gap < 0.0) enter = max(enter, gap / (slope < 0.0 ? slope : -1e-12));
    else leave = min(leave, gap / max(slope, 1e-12));
}
// A side of a block; n, o and d lie in the plane of its outward axis and z.
void slanted(vec2 n, float reach, vec2 o, vec2 d, float z, inout float enter, inout float leave) {
    float scale = 1.0 / length(n);
    vec3 n3 = vec3(n * scale, 0);
    clip(n3, reach * z * scale, vec3(o, 0), vec3(d, 0), enter, leave);
}
// Both intersections with the unit ball; measuring from the closest approach keeps the digits
// that b b - a c loses.
bool ball(vec3 o, vec3 d, out float t0, out float t1) {
    float a = max(dot(d, d), 1e-12), middle = -dot(o, d) / a;
    vec3 p = o + middle * d;
    float left = 1.0 - dot(p, p), reach = sqrt(max(left, 0.0) / a);
    t0 = middle - reach; t1 = middle + reach;
    return left > 0.0;
}
void main() {
    vec3 ray = vec3((gl_FragCoord.xy - 0.5 - camera.zw) / camera.xy, 1.0);
    vec3 d = ray * f_turn, o = -(f_center * f_turn), h = f_half;  // v * M is M^T v
    float t = near_m, leave = 1e30;
    bool hit;
    int kind = int(f_what.x);
    if (kind == 0) {
        float front = f_more.x, rear = f_more.y, side = f_more.z;
        slanted(vec2(2.0 * h.z, front), 2.0 * h.x - front, o.xz, d.xz, h.z, t, leave);
        vec3 o_back = o * vec3(-1, -1, 1), d_back = d * vec3(-1, -1, 1);
        slanted(vec2(2.0 * h.z, rear), 2.0 * h.x - rear, o_back.xz, d_back.xz, h.z, t, leave);
        slanted(vec2(2.0 * h.z, side), 2.0 * h.y - side, o.yz, d.yz, h.z, t, leave);
        slanted(vec2(2.0 * h.z, side), 2.0 * h.y - side, o_back.yz, d_back.yz, h.z, t, leave);
        clip(vec3(0, 0, 1), h.z, o, d, t, leave);
        clip(vec3(0, 0, -1), h.z, o, d, t, leave);
        hit = t < leave && t > near_m;
    } else if (kind == 1) {
        float far;
        hit = ball(o / h, d / h, t, far) && t > near_m;
        float ragged = f_what.z;
        if (ragged > 0.0) {
            vec3 p = o + t * d;
            float facing = -dot(p / (h * h), d) * pow(h.x * h.y * h.z, 1.0 / 3.0) / length(ray);
            float leaves = sin(9.0 * p.x + 3.0 * sin(11.0 * p.y))
                + sin(10.0 * p.y + 3.0 * sin(12.0 * p.z)) + sin(8.0 * p.z + 3.0 * sin(9.0 * p.x));
            hit = hit && facing > ragged * (1.0 + 0.5 * leaves);
        }
    } else if (kind == 2) {
        float t0, t1, i0, i1, hole = f_what.y;
        hit = ball(vec3(o.xy / h.xy, 0), vec3(d.xy / h.xy, 0), t0, t1);
        clip(vec3(0, 0, 1), h.z, o, d, t, leave);
        clip(vec3(0, 0, -1), h.z, o, d, t, leave);
        t = max(t0, t);
        float end = min(t1, leave);
        hit = hit && t < end && t > near_m;
        if (hole > 0.0 && ball(vec3(o.xy / h.xy / hole, 0), vec3(d.xy / h.xy / hole, 0), i0, i1))
            hit = hit && !(i0 < t && i1 > end);
    } else {
        hit = d.z < -1e-9;
        t = -o.z / (hit ? d.z : -1e-9);
        hit = hit && t > near_m;
    }
    if (!hit) discard;
    if (f_what.w > 0.0)
        imageAtomicOr(owners, ivec2(gl_FragCoord.xy), 1u << uint(f_what.w - 1.0));
    gl_FragDepth = 1.0 / (1.0 + t);  // nearest is largest: most digits where they are needed
    found = vec2(t, f_number);
}
"""
_LAYOUT = '4f 4f 3f 3f 3f 3f 3f 4f 1f /i'
_NAMES = ('area', 'what', 'r0', 'r1', 'r2', 'center', 'half_m', 'more', 'number')


def open_caster() -> Caster:
    """Opens the caster. Raises RuntimeError without moderngl or EGL."""
    try:
        import moderngl

        egl: Any = 'egl'  # moderngl's stub asks for a dict
        context: Any = moderngl.create_context(standalone=True, backend=egl, require=430)
    except Exception as error:  # moderngl and glcontext raise several types
        raise RuntimeError(
            f'Headless OpenGL is not available ({error}); install moderngl and EGL (libegl1), '
            'or run without it.'
        ) from error
    return _GlCaster(context).nearest


class _GlCaster:
    """An OpenGL context, its program, and render targets for one image size."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self.size: tuple[int, int] = (0, 0)

    def resize(self, size: tuple[int, int]) -> None:
        context = self.context
        self.size = size
        self.found = context.texture(size, 2, dtype='f4')
        self.owners = context.texture(size, 1, dtype='u4')
        depth = context.depth_texture(size)
        self.target = context.framebuffer([self.found], depth)
        self.program['size'] = size

    def nearest(
        self, solids: list[Solid], rotations: F64, centers: F64, camera: Intrinsics
    ) -> Nearest:
        """Does what `raycast.nearest` does, and calls it if there are more owners than bits."""
        if max(s.owner for s in solids) > OWNERS:
            return nearest(solids, rotations, centers, camera)
        width, height = camera.width_px, camera.height_px
        if self.size != (width, height):
            self.resize((width, height))
        rows = _rows(solids, rotations, centers, camera)
        found, owners = self.draw(rows, camera)
        index = np.where(found[..., 0] > 0, found[..., 1], -1).astype(np.int32)
        depth_m = np.where(index >= 0, found[..., 0].astype(np.float64), np.inf)
        seen = {solids[int(k)].owner for k in rows[:, -1]} - {0}
        masks = {owner: (owners >> (owner - 1) & 1).astype(np.bool_) for owner in seen}
        return depth_m, index, masks

    def draw(
        self, rows: NDArray[np.float32], camera: Intrinsics
    ) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
        """Returns depth and solid number (H, W, 2) and the owners' bits (H, W)."""
        context, height, width = self.context, camera.height_px, camera.width_px
        self.program['camera'] = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
        self.program['near_m'] = NEAR_PLANE_M
        self.owners.write(np.zeros((height, width), np.uint32))
        self.owners.bind_to_image(0, read=True, write=True)
        self.target.use()
        self.target.clear(depth=0.0)
        context.enable_only(context.DEPTH_TEST)
        context.depth_func = '>'
        buffer = context.buffer(rows.tobytes())
        vertices = context.vertex_array(self.program, [(buffer, _LAYOUT, *_NAMES)])
        vertices.render(context.TRIANGLE_STRIP, vertices=4, instances=len(rows))
        context.memory_barrier()
        found = np.frombuffer(self.found.read(), np.float32).reshape(height, width, 2)
        owners = np.frombuffer(self.owners.read(), np.uint32).reshape(height, width)
        buffer.release()
        vertices.release()
        return found, owners


def _rows(
    solids: list[Solid], rotations: F64, centers: F64, camera: Intrinsics
) -> NDArray[np.float32]:
    """Returns (visible solids, FLOATS) in the order of _LAYOUT."""
    rows = np.zeros((len(solids), FLOATS), np.float32)
    count = 0
    for i, solid in enumerate(solids):
        tall, wide = rectangle(solid, rotations[i], centers[i], camera)
        if tall.start >= tall.stop or wide.start >= wide.stop:
            continue
        row = rows[count]
        row[:4] = wide.start, tall.start, wide.stop, tall.stop
        row[4:8] = solid.kind, solid.hole, solid.ragged, solid.owner
        row[8:17] = rotations[i].T.ravel()  # columns
        row[17:20], row[20:23], row[23:26] = centers[i], solid.half_m, solid.inset_m
        row[27] = i
        count += 1
    return rows[:count]
