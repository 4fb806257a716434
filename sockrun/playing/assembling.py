"""What few scenarios have, and what is loaded only for those: processes, and proxies between the roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockrun.playing.company import Company
    from sockrun.playing.proxying import Proxies
    from sockrun.playing.scene import Scene


def company_of(scene: Scene) -> Company | None:
    """Its processes."""
    if not scene.program.processes:
        return None
    from sockrun.playing.company import Company

    return Company(scene)


def proxies_of(scene: Scene) -> Proxies | None:
    """Its proxy roles."""
    if all(role.side != "proxy" for role in scene.program.roles.values()):
        return None
    from sockrun.playing.proxying import Proxies

    return Proxies(scene)
