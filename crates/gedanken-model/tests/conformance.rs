//! Every part in Gedanken's own lists keeps its promises.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gedanken_encoder::LatentShape;
use gedanken_model::{Parts, TermTable, conformance};
use gedanken_nn::{Encoder, Part};
use gedanken_parts::Table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Another CPU device is no other device; a software GPU is checked by the program's own tests.
const NOWHERE: &[Device] = &[];

fn table(kind: &str) -> Table {
    let mut table = Table { kind: kind.to_owned(), ..Table::default() };
    // Small ones, that fit pictures of 20 x 20.
    let keys: &[(&str, u64)] = match kind {
        "vit" => &[("patch", 4), ("dim", 12), ("depth", 1), ("heads", 2), ("mlp", 8), ("projector", 8)],
        "dinov2" => &[("patch", 4), ("dim", 12), ("depth", 1), ("heads", 2), ("mlp", 8)],
        "conv" => &[("patch", 2), ("dim", 8)],
        _ => &[],
    };
    table.keys.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())));
    if kind == "conv" {
        table.keys.insert("channels".to_owned(), vec![4, 8].into());
    }
    table
}

#[test]
fn every_part_conforms() {
    let parts = Parts::default();
    for kind in parts.encoders.names() {
        conformance::encoder(&parts, &table(kind), NOWHERE).unwrap_or_else(|why| panic!("encoder {kind}: {why}"));
    }
    for kind in parts.predictors.names() {
        let table = Table { kind: kind.to_owned(), ..Table::default() };
        conformance::predictor(&parts, &table, NOWHERE).unwrap_or_else(|why| panic!("predictor {kind}: {why}"));
    }
    for kind in parts.variables.names().filter(|kind| *kind != "none") {
        let table = Table { kind: kind.to_owned(), ..Table::default() };
        conformance::latent_variable(&parts, &table, NOWHERE)
            .unwrap_or_else(|why| panic!("latent variable {kind}: {why}"));
    }
    for kind in parts.targets.names() {
        let table = Table { kind: kind.to_owned(), ..Table::default() };
        conformance::target(&parts, &table, NOWHERE).unwrap_or_else(|why| panic!("target {kind}: {why}"));
    }
    for name in parts.terms.names() {
        let mut table = TermTable::default();
        if name == "distance" {
            table.keys.insert("steps".to_owned(), 3.into());
        }
        conformance::term(&parts, name, &table, NOWHERE).unwrap_or_else(|why| panic!("term {name}: {why}"));
    }
}

/// Says that its latents have four numbers and makes five; or uses no weights.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Broken {
    wide: bool,
}

#[derive(Module, Debug)]
struct Net {
    used: gedanken_nn::Linear,
    unused: gedanken_nn::Linear,
}

impl gedanken_encoder::EncoderConfig for Broken {
    fn latent_shape(&self, _: [usize; 3]) -> LatentShape {
        LatentShape::vector(4)
    }

    fn init(&self, _: [usize; 3], device: &Device) -> Part<dyn Encoder> {
        let linear = |to| gedanken_nn::Linear::new(800, to, device);
        let net = Net { used: linear(if self.wide { 5 } else { 4 }), unused: linear(1) };
        (Box::new(net) as Box<dyn Encoder>).into()
    }
}

impl Encoder for Net {
    fn encode(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.used.forward(pixels.flatten::<2>(1, 3)).unsqueeze_dim(1)
    }
}

#[test]
fn a_broken_promise_is_named() {
    let mut parts = Parts::default();
    parts.encoders = parts.encoders.with(gedanken_encoder::encoder::<Broken>("broken"));
    let check = |wide: bool| {
        conformance::encoder(&parts, &Table::of("broken", &Broken { wide }), NOWHERE).expect_err("it is broken")
    };
    assert_eq!(check(true), "latents are [48, 1, 5]; expected [48, 1, 4]");
    assert_eq!(check(false), "no gradient reaches encoder.unused.weight");
}
