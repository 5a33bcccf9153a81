"""What every site has in its configuration, unless a kind says otherwise."""

from __future__ import annotations

SECTIONS = {
    "runtime": "threads = 1",
    "guard": "sizes_px = [256]\nstream_sizes_px = [256]\nrotations_deg = [0]",
    "frames.limits": "rate_per_s = 100.0\nburst = 200\nshots_per_s = 10.0\nshots_burst = 20",
    "outbox": "retention_s = 600",
    "broker": "keepalive_s = 2\nreconnect_max_s = 1.0",
}
"""What makes an engine quick on two cores, a silent link be noticed in 3 s, nobody wait half a
minute for a device that is let in again, and ten minutes of shots at most be published again to
a broker that has forgotten them."""
