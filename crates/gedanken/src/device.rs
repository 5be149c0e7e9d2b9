//! Where tensors live, by name.

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::{Device, DeviceKind};

/// A device that a name chose.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The device, without autodiff.
    pub device: Device,
    /// What it is, for people.
    pub name: String,
}

/// What names there are.
pub const NAMES: &str = "auto, cpu, wgpu, vulkan, metal, dx12 or webgpu, the GPUs with an index if there are several (wgpu:1), \
    or with :software for a software adapter (wgpu:software)";

/// The device of a name: `auto` is the first real GPU that wgpu finds (discrete, then integrated, then virtual), else the CPU;
/// `wgpu`, `vulkan`, `metal`, `dx12`, `webgpu` are a GPU through that interface, `NAME:1` the second one of them, and
/// `NAME:software` a software rasteriser, which nothing else ever chooses; `cpu` is the CPU.
///
/// # Errors
/// A sentence: no such name, or no such device.
pub fn choose(name: &str) -> Result<Chosen, String> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let api = match kind {
        "cpu" if index == "0" => return Ok(Chosen { device: Device::flex(), name: "cpu".to_owned() }),
        "auto" if index == "0" => {
            return Ok(gpu(WgpuBackend::Auto, 0)
                .map(|device| Chosen { device, name: "wgpu".to_owned() })
                .unwrap_or_else(|| Chosen { device: Device::flex(), name: "cpu (no GPU answers)".to_owned() }));
        }
        "wgpu" => WgpuBackend::Auto,
        "vulkan" => WgpuBackend::Vulkan,
        "metal" => WgpuBackend::Metal,
        "dx12" => WgpuBackend::Dx12,
        "webgpu" => WgpuBackend::WebGpu,
        _ => return Err(format!("no device `{name}`; expected {NAMES}")),
    };
    let device = match index {
        "software" => open(api, DeviceKind::Cpu),
        _ => match index.parse::<usize>() {
            Ok(index) => gpu(api, index),
            Err(_) => return Err(format!("no device `{name}`; expected {NAMES}")),
        },
    };
    device
        .map(|device| Chosen { device, name: name.to_owned() })
        .ok_or_else(|| format!("no GPU answers to `{name}` on this machine; `--device cpu` works everywhere"))
}

/// The GPU of this index, discrete ones first; never a software adapter.
fn gpu(api: WgpuBackend, index: usize) -> Option<Device> {
    [DeviceKind::DiscreteGpu(index), DeviceKind::IntegratedGpu(index), DeviceKind::VirtualGpu(index)]
        .into_iter()
        .find_map(|kind| open(api, kind))
}

fn open(api: WgpuBackend, kind: DeviceKind) -> Option<Device> {
    Device::wgpu_options().graphics_api(api).device_kind(kind).init().ok()
}
