//! Where tensors live, by name.

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::{Device, DeviceKind};

use crate::kernel_cache;

/// A device that a name chose.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The device, without autodiff.
    pub device: Device,
    /// Its name, for people.
    pub name: String,
    /// A word of caution, for people.
    pub note: Option<String>,
}

/// All names.
pub const NAMES: &str = "auto, cpu, cuda, wgpu, vulkan, metal, dx12 or webgpu, the GPUs with an index if there are several (wgpu:1), \
    or with :software for a software adapter of wgpu's (wgpu:software)";

/// The device of a name: `auto` is the first real GPU that wgpu finds (discrete, then integrated, then virtual), else the CPU;
/// `wgpu`, `vulkan`, `metal`, `dx12`, `webgpu` are a GPU through that interface, `cuda` an NVIDIA GPU through CUDA (built with
/// `--features cuda`), `NAME:1` the second one of them, and `NAME:software` a software rasteriser, which nothing else ever
/// chooses; `cpu` is the CPU.
///
/// # Errors
/// A sentence: no such name, or no such device.
pub fn choose(name: &str) -> Result<Chosen, String> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let cpu = |name: &str| Chosen { device: Device::flex(), name: name.to_owned(), note: None };
    let api = match kind {
        "cpu" if index == "0" => return Ok(cpu("cpu")),
        "auto" | "wgpu" => Some(WgpuBackend::Auto),
        "vulkan" => Some(WgpuBackend::Vulkan),
        "metal" => Some(WgpuBackend::Metal),
        "dx12" => Some(WgpuBackend::Dx12),
        "webgpu" => Some(WgpuBackend::WebGpu),
        "cuda" => None,
        _ => return Err(unknown(name)),
    };
    // Where kernels are remembered has to be said before the first GPU is opened.
    let remembered = kernel_cache::in_user_folder();
    let first = !remembered.exists();
    let device = match (api, index) {
        (Some(api), "software") if kind != "auto" => open(api, DeviceKind::Cpu),
        (_, index) => {
            let index: usize = index.parse().map_err(|_| unknown(name))?;
            api.map_or_else(|| cuda(index), |api| Ok(gpu(api, index)))?
        }
    };
    let Some(device) = device else {
        return match name {
            "auto" => Ok(cpu("cpu (no GPU answers)")),
            _ => Err(format!("no GPU answers to `{name}` on this machine; `--device cpu` works everywhere")),
        };
    };
    let identity = device.identity().map_or_else(String::new, |identity| format!(" ({})", identity.name));
    let note = first.then(|| {
        format!(
            "the first run on a GPU: kernels are compiled and the fastest are chosen, so its first minutes are slow; {} \
            remembers them",
            remembered.display()
        )
    });
    let name = if name == "auto" { "wgpu" } else { name };
    Ok(Chosen { device, name: format!("{name}{identity}"), note })
}

fn unknown(name: &str) -> String {
    format!("no device `{name}`; expected {NAMES}")
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

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Option<Device>, String> {
    Ok(Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec().into_iter().nth(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Option<Device>, String> {
    Err("this program was built without CUDA; `cargo build --release --features cuda` builds it in".to_owned())
}
