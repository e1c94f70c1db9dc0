"""How a process or a container is bound to the planned devices and sees no other."""

from stackplan.hardware import Backend, Device
from stackplan.plan import Plan
from stackplan.render.servers import Server

_VARIABLES = {
    Backend.CUDA: "CUDA_VISIBLE_DEVICES",
    Backend.ROCM: "ROCR_VISIBLE_DEVICES",
    Backend.VULKAN: "GGML_VK_VISIBLE_DEVICES",
}


def device_index(plan: Plan, device: Device) -> int:
    """The device's position among the host's devices of its backend, as drivers count them."""
    same = [other.id for other in plan.host.machine.gpus if other.backend is device.backend]
    return same.index(device.id)


def device_identity(plan: Plan, device: Device) -> str:
    """The driver's own identity of a card where it is known: an index may move when a card is added."""
    return device.uuid or str(device_index(plan, device))


def visible_devices(plan: Plan, server: Server) -> dict[str, str]:
    """Environment that shows a native process the server's devices and hides all others."""
    if not server.devices:
        kinds = {device.backend for device in plan.host.machine.gpus} & _VARIABLES.keys()
        return {_VARIABLES[kind]: "-1" for kind in sorted(kinds)}
    variable = _VARIABLES.get(server.backend)
    if variable is None:
        return {}
    identity = device_identity if server.backend is Backend.CUDA else device_index
    ids = {variable: ",".join(str(identity(plan, device)) for device in server.devices)}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **ids} if server.backend is Backend.CUDA else ids
