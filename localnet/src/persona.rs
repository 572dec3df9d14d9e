//! What a miner of a localnet plays: honest work, or a way of getting paid for less.
//!
//! An adversary is an honest neuron with another engine: it proves its hotkey, answers, commits and merges like everybody,
//! and every tensor that it sends has the right shape and finite values. Only what computes differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engine::tolerance::Accelerator;
use engine::{BoundaryTensor, Gradients, MicrobatchId, Stage, StageError, StageOutput, TokenBatch};
use neuron::worker::{ComputeFactory, Hosted, StageCompute, honest, on_device};
use serde::Serialize;

/// What a lazy miner claims the loss to be, in nats per byte: what a model reaches that has learned a little.
const LAZY_LOSS: f64 = 3.0;

/// Largest value in what a lazy miner sends forward: the size that an untrained stage sends.
const LAZY_ACTIVATION: f32 = 0.5;

/// Largest value per token in the gradients that a lazy miner makes up. A merge clips what stands out.
const LAZY_GRADIENT: f32 = 1e-3;

/// Sign, exponent and 10 bits of mantissa.
const ROUNDED_MASK: u32 = u32::MAX << 13;

/// A behaviour that a miner plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Persona {
    /// Computes what it says.
    #[default]
    Honest,
    /// Computes nothing: makes up tensors that look like its stage's.
    Lazy,
    /// Computes the first half of its stage's layers only.
    Partial,
    /// Computes with weights of 10 bits of mantissa, as cheap arithmetic has them.
    Rounded,
    /// Computes all of it in other arithmetic than the exact engine's: Candle's own, on a card where there is one. Honest
    /// in a run with a tolerance.
    Foreign,
}

impl Persona {
    /// Those that cheat.
    pub const ADVERSARIES: [Self; 3] = [Self::Lazy, Self::Partial, Self::Rounded];

    /// Whether it cheats, in a run in which it may play.
    pub fn cheats(self) -> bool {
        Self::ADVERSARIES.contains(&self)
    }

    /// Its word on the command line and in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Lazy => "lazy",
            Self::Partial => "partial",
            Self::Rounded => "rounded",
            Self::Foreign => "foreign",
        }
    }

    /// What computes in its place.
    pub fn compute(self) -> ComputeFactory {
        match self {
            Self::Honest => honest(),
            Self::Lazy => Arc::new(|hosted| Ok(Box::new(Lazy::new(hosted.exact()?)))),
            Self::Partial => Arc::new(|hosted| {
                let mut stage = hosted.exact()?;
                let layers = stage.config().layers_per_stage.get(stage.index().as_usize()).copied().unwrap_or(0);
                stage.skip_layers_after(layers / 2);
                Ok(Box::new(stage))
            }),
            Self::Rounded => Arc::new(|hosted| {
                let weights = hosted.weights.map(|weight| f32::from_bits(weight.to_bits() & ROUNDED_MASK));
                Ok(Box::new(Hosted { weights: &weights, ..hosted }.exact()?))
            }),
            Self::Foreign => on_device(Accelerator::preferred()),
        }
    }
}

/// What a cast may name.
const PLAYED: [Persona; 4] = [Persona::Lazy, Persona::Partial, Persona::Rounded, Persona::Foreign];

/// Which personas play, and how many of each: `lazy:1,partial:1`, or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cast(Vec<(Persona, u16)>);

impl Cast {
    /// Miners that cheat.
    pub fn adversaries(&self) -> u16 {
        let cheats = self.0.iter().filter(|(persona, _)| persona.cheats());
        cheats.fold(0, |sum, (_, count)| u16::saturating_add(sum, *count))
    }

    /// Miners that play anything.
    pub fn players(&self) -> u16 {
        self.0.iter().fold(0, |sum, (_, count)| u16::saturating_add(sum, *count))
    }

    /// Whether a persona plays.
    pub fn has(&self, persona: Persona) -> bool {
        self.0.iter().any(|(played, _)| *played == persona)
    }

    /// The persona of each of `miners` miners, drawn by the seed.
    pub fn draw(&self, seed: u64, miners: u16) -> Vec<Persona> {
        let lot = |miner: u16| {
            let mut hasher = blake3::Hasher::new_derive_key("narrows localnet personas 1");
            *hasher.update(&seed.to_le_bytes()).update(&miner.to_le_bytes()).finalize().as_bytes()
        };
        let mut order: Vec<u16> = (0..miners).collect();
        order.sort_by_key(|miner| lot(*miner));
        let parts = self.0.iter().flat_map(|(persona, count)| std::iter::repeat_n(*persona, usize::from(*count)));
        let mut personas = vec![Persona::Honest; usize::from(miners)];
        for (miner, persona) in order.into_iter().zip(parts) {
            personas[usize::from(miner)] = persona;
        }
        personas
    }
}

impl FromStr for Cast {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let mut cast = Vec::new();
        let mut named = BTreeSet::new();
        for part in text.split(',') {
            let (name, count) = part.split_once(':').unwrap_or((part, "1"));
            let persona = PLAYED.into_iter().find(|persona| persona.word() == name.trim());
            let persona = persona.ok_or_else(|| {
                let known = PLAYED.map(Persona::word).join(", ");
                format!("there is no persona `{name}`; known are {known}, or `none` alone")
            })?;
            let count = count.trim().parse::<u16>().ok().filter(|count| *count > 0);
            let count = count.ok_or_else(|| format!("`{part}` is no number of miners; write it like {name}:1"))?;
            if !named.insert(persona) {
                return Err(format!("`{name}` is named twice; write it once, with its number of miners"));
            }
            cast.push((persona, count));
        }
        Ok(Self(cast))
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let parts: Vec<_> = self.0.iter().map(|(persona, count)| format!("{}:{count}", persona.word())).collect();
        f.write_str(&parts.join(","))
    }
}

/// A stage that is not computed.
struct Lazy {
    stage: Stage,
    /// Tokens of the passes in flight. The machine in front of it bounds their number, as it does for everybody.
    in_flight: BTreeMap<MicrobatchId, usize>,
    tokens: u64,
}

impl Lazy {
    fn new(stage: Stage) -> Self {
        Self { stage, in_flight: BTreeMap::new(), tokens: 0 }
    }

    /// Values that look like something: the same for the same pass, others for another.
    fn invent(&self, what: &[u8], number: u64, count: usize, largest: f32) -> Vec<f32> {
        let mut hasher = blake3::Hasher::new_derive_key("narrows localnet invented tensor 1");
        hasher.update(what).update(&self.stage.index().0.to_le_bytes()).update(&number.to_le_bytes());
        let mut bytes = vec![0; 2 * count];
        hasher.finalize_xof().fill(&mut bytes);
        let unit = largest / f32::from(i16::MAX);
        bytes.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) * unit).collect()
    }

    fn boundary(
        &self,
        what: &'static str,
        id: MicrobatchId,
        rows: usize,
        width: usize,
        largest: f32,
    ) -> Result<BoundaryTensor, StageError> {
        let values = self.invent(what.as_bytes(), id.0, rows * width, largest);
        BoundaryTensor::new(rows, width, values).map_err(|_| StageError::WrongShape {
            stage: self.stage.index(),
            what,
            expected_rows: rows,
            expected_width: width,
            found_rows: 0,
            found_width: 0,
        })
    }
}

impl StageCompute for Lazy {
    fn forward(
        &mut self,
        id: MicrobatchId,
        tokens: &TokenBatch,
        _: Option<&BoundaryTensor>,
    ) -> Result<StageOutput, StageError> {
        let (stage, rows) = (self.stage.index(), tokens.tokens());
        if self.in_flight.contains_key(&id) {
            return Err(StageError::AlreadyInFlight { id, stage });
        }
        let output = if self.stage.config().is_last(stage) {
            StageOutput::Loss { loss_sum: LAZY_LOSS * rows as f64, tokens: rows as u64 }
        } else {
            let width = self.stage.config().outgoing_width(stage);
            StageOutput::Boundary(self.boundary("invented z", id, rows, width, LAZY_ACTIVATION)?)
        };
        self.in_flight.insert(id, rows);
        Ok(output)
    }

    fn backward(&mut self, id: MicrobatchId, _: Option<&BoundaryTensor>) -> Result<Option<BoundaryTensor>, StageError> {
        let stage = self.stage.index();
        let rows = self.in_flight.remove(&id).ok_or(StageError::NotInFlight { id, stage })?;
        self.tokens += rows as u64;
        if self.stage.config().is_first(stage) {
            return Ok(None);
        }
        let width = self.stage.config().incoming_width(stage);
        self.boundary("invented gradient", id, rows, width, LAZY_GRADIENT).map(Some)
    }

    fn drop_microbatch(&mut self, id: MicrobatchId) {
        self.in_flight.remove(&id);
    }

    fn drop_all(&mut self) {
        self.in_flight.clear();
    }

    fn take_gradients(&mut self) -> Result<Gradients, StageError> {
        let (tokens, empty) = (std::mem::take(&mut self.tokens), self.stage.take_gradients());
        let values = self.invent(b"weights", tokens, empty.values().len(), LAZY_GRADIENT * tokens as f32);
        Ok(Gradients::from_values(self.stage.config(), self.stage.index(), tokens, values).unwrap_or(empty))
    }
}

#[cfg(test)]
mod tests {
    use engine::tolerance::relative_error;
    use engine::{ModelConfig, Recompute, StageIndex, Weights};

    use super::*;

    fn config() -> ModelConfig {
        ModelConfig { layers_per_stage: vec![2; 3], ..ModelConfig::small() }
    }

    fn computed(persona: Persona, index: u16) -> Box<dyn StageCompute> {
        let weights = Weights::initial(&config(), StageIndex(index), &[1; 32]).unwrap();
        let hosted = Hosted { model: &config(), weights: &weights, in_flight: 4, recompute: Recompute::default() };
        persona.compute()(hosted).unwrap()
    }

    fn tokens() -> TokenBatch {
        TokenBatch::new(2, 16, (0..34).map(|i| (i * 7 % 100) as u8).collect()).unwrap()
    }

    /// One microbatch through three stages and back, stage `cheat` computed by `persona`.
    fn walk(persona: Persona, cheat: u16) -> (Vec<StageOutput>, Vec<Option<BoundaryTensor>>, Vec<Gradients>) {
        let id = MicrobatchId(3);
        let part = |index| if index == cheat { persona } else { Persona::Honest };
        let mut stages: Vec<_> = (0..3).map(|index| computed(part(index), index)).collect();
        let mut outputs: Vec<StageOutput> = Vec::new();
        for stage in &mut stages {
            let incoming = match outputs.last() {
                Some(StageOutput::Boundary(z)) => Some(z.clone()),
                _ => None,
            };
            outputs.push(stage.forward(id, &tokens(), incoming.as_ref()).unwrap());
        }
        let mut gradients: Vec<Option<BoundaryTensor>> = Vec::new();
        for stage in stages.iter_mut().rev() {
            let outgoing = gradients.last().cloned().flatten();
            gradients.push(stage.backward(id, outgoing.as_ref()).unwrap());
        }
        let sums = stages.iter_mut().map(|stage| stage.take_gradients().unwrap()).collect();
        (outputs, gradients, sums)
    }

    #[test]
    fn adversaries_are_valid_participants_in_every_stage_and_false() {
        let honest = walk(Persona::Honest, 0);
        for persona in Persona::ADVERSARIES {
            for cheat in 0..3 {
                let (outputs, gradients, sums) = walk(persona, cheat);
                let place = usize::from(cheat);
                assert_ne!(outputs[place], honest.0[place], "{persona:?} in stage {cheat} computes something else");
                for (output, honest) in outputs.iter().zip(&honest.0) {
                    match (output, honest) {
                        (StageOutput::Boundary(z), StageOutput::Boundary(true_z)) => {
                            assert_eq!((z.rows(), z.width()), (true_z.rows(), true_z.width()));
                            assert!(z.values().iter().all(|value| value.is_finite()));
                        }
                        (StageOutput::Loss { loss_sum, tokens }, StageOutput::Loss { tokens: true_tokens, .. }) => {
                            assert_eq!(tokens, true_tokens);
                            assert!(loss_sum.is_finite());
                        }
                        other => panic!("{other:?}"),
                    }
                }
                let shape = |z: &Option<BoundaryTensor>| z.as_ref().map(|z| (z.rows(), z.width()));
                assert_eq!(gradients.iter().map(shape).collect::<Vec<_>>(), [Some((32, 8)), Some((32, 8)), None]);
                for (sum, honest) in sums.iter().zip(&honest.2) {
                    assert_eq!((sum.tokens(), sum.values().len()), (honest.tokens(), honest.values().len()));
                    assert!(sum.values().iter().all(|value| value.is_finite()));
                    assert!(sum.values().iter().any(|value| *value != 0.0));
                }
            }
        }
    }

    /// What a tolerance tells apart: `foreign` is off by roundings, `rounded` by a thousand times that.
    #[test]
    fn other_arithmetic_is_near_and_cheap_arithmetic_is_far() {
        let z = |persona| match walk(persona, 1).0.remove(1) {
            StageOutput::Boundary(z) => z,
            other => panic!("{other:?}"),
        };
        let (exact, bound) = (z(Persona::Honest), neuron::manifest::Tolerance::default().bound());
        let error = |persona| relative_error(z(persona).values(), exact.values());
        assert!(error(Persona::Foreign) > 0.0 && error(Persona::Foreign) < bound);
        assert!(error(Persona::Rounded) > 10.0 * bound);
    }

    #[test]
    fn a_lazy_stage_keeps_the_books_of_an_honest_one() {
        let mut lazy = computed(Persona::Lazy, 1);
        let id = MicrobatchId(7);
        assert!(matches!(lazy.backward(id, None), Err(StageError::NotInFlight { .. })));
        let first = lazy.forward(id, &tokens(), None).unwrap();
        assert!(matches!(lazy.forward(id, &tokens(), None), Err(StageError::AlreadyInFlight { .. })));
        lazy.drop_microbatch(id);
        assert_eq!(lazy.forward(id, &tokens(), None).unwrap(), first, "the same answer when it is asked again");
        assert_ne!(lazy.forward(MicrobatchId(8), &tokens(), None).unwrap(), first);
        lazy.backward(id, None).unwrap();
        lazy.drop_all();
        assert!(lazy.backward(MicrobatchId(8), None).is_err());
        assert_eq!(lazy.take_gradients().unwrap().tokens(), 32);
        assert_eq!(lazy.take_gradients().unwrap().tokens(), 0, "the sum starts anew");
    }

    #[test]
    fn casts_are_read_and_drawn_and_nonsense_is_refused() {
        let cast: Cast = "lazy:1,partial:2".parse().unwrap();
        assert_eq!((cast.adversaries(), cast.to_string().as_str()), (3, "lazy:1,partial:2"));
        let personas = cast.draw(1, 12);
        assert_eq!(personas, cast.draw(1, 12));
        let played = |persona| personas.iter().filter(|played| **played == persona).count();
        assert_eq!((played(Persona::Lazy), played(Persona::Partial), played(Persona::Honest)), (1, 2, 9));
        let draws: BTreeSet<_> = (0..50).map(|seed| cast.draw(seed, 12)).collect();
        assert!(draws.len() > 40, "seeds draw others");
        assert_eq!("lazy".parse::<Cast>().unwrap().to_string(), "lazy:1");
        assert_eq!("none".parse::<Cast>().unwrap().adversaries(), 0);
        let mixed: Cast = "foreign:2,rounded:1".parse().unwrap();
        assert_eq!((mixed.adversaries(), mixed.players(), mixed.has(Persona::Foreign)), (1, 3, true));
        for nonsense in ["", "liar:1", "lazy:0", "lazy:x", "lazy:1,lazy:2", "lazy:99999", "lazy:1,none", "honest:3"] {
            assert!(nonsense.parse::<Cast>().is_err(), "{nonsense}");
        }
    }
}
