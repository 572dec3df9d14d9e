//! Pseudo-random calls with pseudo-random arguments, made from the runtime's type information, so that a new call or a new
//! kind of argument needs nothing here.

use codec::{Compact, Encode};
use scale_info::form::PortableForm;
use scale_info::{MetaType, PortableRegistry, Registry, Type, TypeDef, TypeDefPrimitive, Variant};

use crate::{AccountId, RuntimeCall};

/// Calls that dispatch others nest to this depth; below it there is only a remark.
const MAX_DEPTH: u32 = 2;

/// Pseudo-random numbers that repeat themselves by their seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Small numbers, and the ends of the range.
    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => u64::MAX - self.below(3),
            1 => self.next() << self.below(32),
            2 | 3 => self.below(1_000),
            _ => self.below(7),
        }
    }

    /// Such a number, or an amount of rao that somebody may hold.
    fn amount(&mut self) -> u64 {
        if self.below(2) == 0 { (1 + self.below(40)) * 500_000_000 } else { self.number() }
    }
}

/// One call of the runtime: what it is called and where it stands.
#[derive(Clone, Debug)]
pub(super) struct CallName {
    pub(super) pallet: String,
    pub(super) call: String,
    pallet_index: u8,
    variant: Variant<PortableForm>,
}

/// Makes calls.
pub(super) struct Arguments {
    types: PortableRegistry,
    call_type: u32,
    calls: Vec<CallName>,
    accounts: Vec<AccountId>,
    remark: Vec<u8>,
}

impl Arguments {
    /// A maker of all calls for which `wanted` says yes; `accounts` are those that it names.
    pub(super) fn new(accounts: Vec<AccountId>, wanted: impl Fn(&str, &str) -> bool) -> Self {
        let mut registry = Registry::new();
        let call_type = registry.register_type(&MetaType::new::<RuntimeCall>()).id;
        let types = PortableRegistry::from(registry);
        let mut calls = Vec::new();
        for pallet in variants(resolve(&types, call_type)) {
            for variant in variants(resolve(&types, pallet.fields[0].ty.id)) {
                if wanted(&pallet.name, &variant.name) {
                    calls.push(CallName {
                        pallet: pallet.name.clone(),
                        call: variant.name.clone(),
                        pallet_index: pallet.index,
                        variant: variant.clone(),
                    });
                }
            }
        }
        let remark = RuntimeCall::from(frame_system::Call::remark { remark: vec![7] }).encode();
        Self { types, call_type, calls, accounts, remark }
    }

    /// All calls that this makes.
    pub(super) fn calls(&self) -> &[CallName] {
        &self.calls
    }

    /// The encoding of one call with arguments that the dice choose. Every other account is one of the `favoured`: most
    /// calls are refused at once unless who makes them owns what they name.
    pub(super) fn encode_call(&self, name: &CallName, favoured: [AccountId; 2], dice: &mut Dice) -> Vec<u8> {
        let mut writer = Writer { arguments: self, favoured, dice, out: Vec::new() };
        writer.write_call(name, 0);
        writer.out
    }
}

/// Writes the encoding of one call.
struct Writer<'a> {
    arguments: &'a Arguments,
    favoured: [AccountId; 2],
    dice: &'a mut Dice,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn one_of<V>(&mut self, values: &'a [V]) -> &'a V {
        &values[self.dice.below(values.len() as u64) as usize]
    }

    fn write_call(&mut self, name: &CallName, depth: u32) {
        self.out.extend([name.pallet_index, name.variant.index]);
        self.write_fields(&name.variant, depth);
    }

    fn write_fields(&mut self, variant: &Variant<PortableForm>, depth: u32) {
        for field in &variant.fields {
            self.write(field.ty.id, depth);
        }
    }

    fn write(&mut self, id: u32, depth: u32) {
        let arguments = self.arguments;
        if id == arguments.call_type {
            if depth >= MAX_DEPTH {
                return self.out.extend(&arguments.remark);
            }
            let inner = self.one_of(&arguments.calls);
            return self.write_call(inner, depth + 1);
        }
        let kind = resolve(&arguments.types, id);
        match kind.path.ident().as_deref() {
            Some("AccountId32") => return self.write_account(),
            // Mostly root and the first two subnets.
            Some("NetUid") => {
                let netuid =
                    if self.dice.below(8) == 0 { self.dice.number() as u16 } else { self.dice.below(3) as u16 };
                return netuid.encode_to(&mut self.out);
            }
            // Mostly the mechanism that every subnet has.
            Some("MechId") => {
                let mechanism = if self.dice.below(3) == 0 { self.dice.number() as u8 } else { 0 };
                return mechanism.encode_to(&mut self.out);
            }
            // Mostly its first form, an account; no other leads to one on this chain.
            Some("MultiAddress") if self.dice.below(6) > 0 => {
                self.out.push(0);
                return self.write_account();
            }
            _ => {}
        }
        match &kind.type_def {
            TypeDef::Composite(composite) => composite.fields.iter().for_each(|field| self.write(field.ty.id, depth)),
            TypeDef::Variant(variant) if !variant.variants.is_empty() => {
                let chosen = self.one_of(&variant.variants);
                self.out.push(chosen.index);
                self.write_fields(chosen, depth);
            }
            TypeDef::Variant(_) => {}
            TypeDef::Sequence(sequence) => {
                let length = if self.dice.below(16) == 0 { self.dice.below(70) } else { self.dice.below(4) };
                Compact(length).encode_to(&mut self.out);
                (0..length).for_each(|_| self.write(sequence.type_param.id, depth));
            }
            TypeDef::Array(array) => (0..array.len).for_each(|_| self.write(array.type_param.id, depth)),
            TypeDef::Tuple(tuple) => tuple.fields.iter().for_each(|field| self.write(field.id, depth)),
            TypeDef::Primitive(primitive) => write_primitive(primitive, self.dice, &mut self.out),
            TypeDef::Compact(compact) => self.write_compact(compact.type_param.id),
            TypeDef::BitSequence(_) => panic!("no call takes bits"),
        }
    }

    fn write_account(&mut self) {
        let chosen = match self.dice.below(4) {
            favoured @ 0..2 => self.favoured[favoured as usize].clone(),
            _ => self.one_of(&self.arguments.accounts).clone(),
        };
        chosen.encode_to(&mut self.out);
    }

    fn write_compact(&mut self, id: u32) {
        let number = self.dice.number();
        match &resolve(&self.arguments.types, id).type_def {
            TypeDef::Composite(composite) => self.write_compact(composite.fields[0].ty.id),
            TypeDef::Tuple(tuple) if tuple.fields.is_empty() => {}
            TypeDef::Primitive(TypeDefPrimitive::U8) => Compact(number as u8).encode_to(&mut self.out),
            TypeDef::Primitive(TypeDefPrimitive::U16) => Compact(number as u16).encode_to(&mut self.out),
            TypeDef::Primitive(TypeDefPrimitive::U32) => Compact(number as u32).encode_to(&mut self.out),
            TypeDef::Primitive(TypeDefPrimitive::U64) => Compact(self.dice.amount()).encode_to(&mut self.out),
            TypeDef::Primitive(TypeDefPrimitive::U128) => Compact(u128::from(number)).encode_to(&mut self.out),
            other => panic!("{other:?} has no compact form"),
        }
    }
}

fn write_primitive(primitive: &TypeDefPrimitive, dice: &mut Dice, out: &mut Vec<u8>) {
    let number = dice.number();
    // An end of the wider ranges, too: ones in all bits above.
    let wide = if dice.below(8) == 0 { u128::MAX << 64 | u128::from(number) } else { u128::from(number) };
    match primitive {
        TypeDefPrimitive::Bool => dice.below(2).eq(&1).encode_to(out),
        TypeDefPrimitive::U8 | TypeDefPrimitive::I8 => (number as u8).encode_to(out),
        TypeDefPrimitive::U16 | TypeDefPrimitive::I16 => (number as u16).encode_to(out),
        TypeDefPrimitive::U32 | TypeDefPrimitive::I32 => (number as u32).encode_to(out),
        TypeDefPrimitive::U64 | TypeDefPrimitive::I64 => dice.amount().encode_to(out),
        TypeDefPrimitive::U128 | TypeDefPrimitive::I128 => wide.encode_to(out),
        TypeDefPrimitive::U256 | TypeDefPrimitive::I256 => (wide, wide).encode_to(out),
        TypeDefPrimitive::Str => "a word".encode_to(out),
        TypeDefPrimitive::Char => u32::from('a').encode_to(out),
    }
}

fn resolve(types: &PortableRegistry, id: u32) -> &Type<PortableForm> {
    types.resolve(id).expect("the registry holds what it names")
}

fn variants(kind: &Type<PortableForm>) -> &[Variant<PortableForm>] {
    match &kind.type_def {
        TypeDef::Variant(variant) => &variant.variants,
        other => panic!("{other:?} is no enum"),
    }
}
