//! Modules behind a trait object: a model can hold an encoder that its crate has never heard of.
//!
//! burn visits a module with a generic visitor, which a trait object cannot have. [`AnyModule`] is the object-safe half of
//! burn's [`Module`]: it hands parameters over as [`Any`] with their rank, and the visitor on the other side asks for their
//! type again. Every burn module is an [`AnyModule`]; a [`Part`] is a boxed one, and a burn module in turn.

use std::any::Any;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};

use burn::module::{
    Content, Devices, Flag, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
};
use burn::tensor::{Bool, Device, Int, Tensor};
use dyn_clone::DynClone;

/// The object-safe half of burn's [`Module`]; all modules have it. Changes happen in place.
pub trait AnyModule: Any + DynClone + Debug + Send + Sync {
    /// See [`Module::collect_devices`].
    fn collect_devices_any(&self, devices: Devices) -> Devices;
    /// See [`Module::visit`].
    fn visit_any(&self, visitor: &mut dyn AnyVisitor);
    /// See [`Module::map`].
    fn map_any(&mut self, mapper: &mut dyn AnyMapper);
    /// Applies what turns a module into another of its type.
    fn turn_any(&mut self, turn: Turn<'_>);
    /// The module, to be asked for its type.
    fn as_any(&self) -> &dyn Any;
}

/// A change of a module into another of its type.
#[derive(Clone, Copy)]
pub enum Turn<'a> {
    /// [`Module::to_device`].
    ToDevice(&'a Device),
    /// [`Module::fork`].
    Fork(&'a Device),
    /// [`Module::train`].
    Train,
    /// [`Module::valid`].
    Valid,
    /// [`Module::materialize`].
    Materialize,
}

impl<M: Module + Sync + 'static> AnyModule for M {
    fn collect_devices_any(&self, devices: Devices) -> Devices {
        self.collect_devices(devices)
    }

    fn visit_any(&self, visitor: &mut dyn AnyVisitor) {
        self.visit(&mut Erase(visitor));
    }

    fn map_any(&mut self, mapper: &mut dyn AnyMapper) {
        *self = self.clone().map(&mut Erase(mapper));
    }

    fn turn_any(&mut self, turn: Turn<'_>) {
        *self = match turn {
            Turn::ToDevice(device) => self.clone().to_device(device),
            Turn::Fork(device) => self.clone().fork(device),
            Turn::Train => self.clone().train(),
            Turn::Valid => self.valid(),
            Turn::Materialize => self.clone().materialize(),
        };
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A module behind a trait, `Part<dyn Encoder>`: itself a burn module.
#[derive(Debug)]
pub struct Part<T: ?Sized>(Box<T>);

impl<T: ?Sized> From<Box<T>> for Part<T> {
    fn from(part: Box<T>) -> Self {
        Self(part)
    }
}

impl<T: ?Sized + DynClone> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self(dyn_clone::clone_box(&*self.0))
    }
}

impl<T: ?Sized> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for Part<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: ?Sized + AnyModule> Part<T> {
    fn turned(mut self, turn: Turn<'_>) -> Self {
        self.0.turn_any(turn);
        self
    }
}

impl<T: ?Sized + AnyModule> Module for Part<T> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices_any(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.turned(Turn::Fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.turned(Turn::ToDevice(device))
    }

    fn train(self) -> Self {
        self.turned(Turn::Train)
    }

    fn valid(&self) -> Self {
        self.clone().turned(Turn::Valid)
    }

    fn materialize(self) -> Self {
        self.turned(Turn::Materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit_any(&mut Restore(visitor));
    }

    fn map<M: ModuleMapper>(mut self, mapper: &mut M) -> Self {
        self.0.map_any(&mut Restore(mapper));
        self
    }
}

impl<T: ?Sized + AnyModule> ModuleDisplay for Part<T> {}

impl<T: ?Sized + AnyModule> ModuleDisplayDefault for Part<T> {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("{:?}", self.0)).optional()
    }
}

/// Parts by name: their parameters are called `NAME.…`, and the gradient of each is clipped by itself.
#[derive(Debug)]
pub struct Parts<T: ?Sized>(Vec<(&'static str, Part<T>)>);

/// The container of [`Parts`], as visitors are told.
pub const PARTS: &str = "Parts";

impl<T: ?Sized + DynClone> Clone for Parts<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> From<Vec<(&'static str, Part<T>)>> for Parts<T> {
    fn from(parts: Vec<(&'static str, Part<T>)>) -> Self {
        Self(parts)
    }
}

impl<T: ?Sized> Parts<T> {
    /// All, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        self.0.iter().map(|(name, part)| (*name, &**part))
    }

    /// All, taken out.
    pub fn take(&mut self) -> Vec<(&'static str, Part<T>)> {
        std::mem::take(&mut self.0)
    }

    /// All, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, part)| &mut **part)
    }
}

impl<T: ?Sized + AnyModule> Parts<T> {
    fn each(self, change: impl Fn(Part<T>) -> Part<T>) -> Self {
        Self(self.0.into_iter().map(|(name, part)| (name, change(part))).collect())
    }
}

impl<T: ?Sized + AnyModule> Module for Parts<T> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.iter().fold(devices, |devices, (_, part)| part.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        self.each(|part| part.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.each(|part| part.to_device(device))
    }

    fn train(self) -> Self {
        self.each(Module::train)
    }

    fn valid(&self) -> Self {
        self.clone().each(|part| part.valid())
    }

    fn materialize(self) -> Self {
        self.each(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, part) in &self.0 {
            visitor.enter_module(name, PARTS);
            part.visit(visitor);
            visitor.exit_module(name, PARTS);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let map = |(name, part): (&'static str, Part<T>)| {
            mapper.enter_module(name, PARTS);
            let part = part.map(mapper);
            mapper.exit_module(name, PARTS);
            (name, part)
        };
        Self(self.0.into_iter().map(map).collect())
    }
}

impl<T: ?Sized + AnyModule> ModuleDisplay for Parts<T> {}

impl<T: ?Sized + AnyModule> ModuleDisplayDefault for Parts<T> {
    fn content(&self, content: Content) -> Option<Content> {
        self.0.iter().fold(content, |content, (name, part)| content.add(name, part)).optional()
    }
}

/// The object-safe half of a [`ModuleVisitor`]: parameters come as [`Any`], with their rank.
pub trait AnyVisitor {
    /// A parameter of floats.
    fn float(&mut self, rank: usize, param: &dyn Any);
    /// A parameter of integers.
    fn int(&mut self, rank: usize, param: &dyn Any);
    /// A parameter of truth values.
    fn bool(&mut self, rank: usize, param: &dyn Any);
    /// A flag.
    fn flag(&mut self, flag: &Param<Flag>);
    /// See [`ModuleVisitor::enter_module`].
    fn enter(&mut self, name: &str, container: &str);
    /// See [`ModuleVisitor::exit_module`].
    fn exit(&mut self, name: &str, container: &str);
}

/// The object-safe half of a [`ModuleMapper`]: parameters come as `Option<Param<…>>`, of which none is empty, with their rank.
pub trait AnyMapper {
    /// A parameter of floats.
    fn float(&mut self, rank: usize, param: &mut dyn Any);
    /// A parameter of integers.
    fn int(&mut self, rank: usize, param: &mut dyn Any);
    /// A parameter of truth values.
    fn bool(&mut self, rank: usize, param: &mut dyn Any);
    /// A flag.
    fn flag(&mut self, flag: Param<Flag>) -> Param<Flag>;
    /// See [`ModuleMapper::enter_module`].
    fn enter(&mut self, name: &str, container: &str);
    /// See [`ModuleMapper::exit_module`].
    fn exit(&mut self, name: &str, container: &str);
}

/// A generic visitor or mapper that forwards to an object-safe one.
struct Erase<'a, T: ?Sized>(&'a mut T);

impl ModuleVisitor for Erase<'_, dyn AnyVisitor + '_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.float(D, param);
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.int(D, param);
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.bool(D, param);
    }
    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.flag(flag);
    }
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }
    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

/// Lends a parameter out and takes it back.
fn lend<P: Any>(param: P, to: impl FnOnce(&mut dyn Any)) -> P {
    let mut lent = Some(param);
    to(&mut lent);
    lent.expect("a mapper puts back what it takes")
}

impl ModuleMapper for Erase<'_, dyn AnyMapper + '_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        lend(param, |param| self.0.float(D, param))
    }
    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        lend(param, |param| self.0.int(D, param))
    }
    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        lend(param, |param| self.0.bool(D, param))
    }
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.flag(flag)
    }
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }
    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

/// An object-safe visitor or mapper that forwards to a generic one.
struct Restore<'a, T>(&'a mut T);

/// Runs `$body` with `$D` the rank; parameters have 1 to 8 axes.
macro_rules! by_rank {
    ($rank:expr, $D:ident => $body:expr) => {
        by_rank!(@ $rank, $D => $body; 1 2 3 4 5 6 7 8)
    };
    (@ $rank:expr, $D:ident => $body:expr; $($n:literal)*) => {
        match $rank {
            $($n => { const $D: usize = $n; $body })*
            _ => {}
        }
    };
}

impl<V: ModuleVisitor> AnyVisitor for Restore<'_, V> {
    fn float(&mut self, rank: usize, param: &dyn Any) {
        by_rank!(rank, D => param.downcast_ref::<Param<Tensor<D>>>().into_iter().for_each(|p| self.0.visit_float(p)));
    }
    fn int(&mut self, rank: usize, param: &dyn Any) {
        by_rank!(rank, D => param.downcast_ref::<Param<Tensor<D, Int>>>().into_iter().for_each(|p| self.0.visit_int(p)));
    }
    fn bool(&mut self, rank: usize, param: &dyn Any) {
        by_rank!(rank, D => param.downcast_ref::<Param<Tensor<D, Bool>>>().into_iter().for_each(|p| self.0.visit_bool(p)));
    }
    fn flag(&mut self, flag: &Param<Flag>) {
        self.0.visit_flag(flag);
    }
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }
    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}

/// Replaces what was lent.
fn change<P: Any>(lent: &mut dyn Any, change: impl FnOnce(P) -> P) {
    if let Some(lent) = lent.downcast_mut::<Option<P>>() {
        *lent = lent.take().map(change);
    }
}

impl<M: ModuleMapper> AnyMapper for Restore<'_, M> {
    fn float(&mut self, rank: usize, param: &mut dyn Any) {
        by_rank!(rank, D => change(param, |param: Param<Tensor<D>>| self.0.map_float(param)));
    }
    fn int(&mut self, rank: usize, param: &mut dyn Any) {
        by_rank!(rank, D => change(param, |param: Param<Tensor<D, Int>>| self.0.map_int(param)));
    }
    fn bool(&mut self, rank: usize, param: &mut dyn Any) {
        by_rank!(rank, D => change(param, |param: Param<Tensor<D, Bool>>| self.0.map_bool(param)));
    }
    fn flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.map_flag(flag)
    }
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }
    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}
