//! Another program that computes hops, of other matrix libraries than the engine's. It is spoken to through files in
//! safetensors, whose paths it reads line by line; `bench/engine/hop.py` is one.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use engine::{BoundaryTensor, Gradients, StageOutput};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Serialize;
use tempfile::TempDir;

use crate::{Failure, Handed, Hop};

/// A running program.
pub(crate) struct Program {
    /// As it calls itself.
    pub(crate) name: String,
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: TempDir,
}

/// What a file says beside its tensors.
#[derive(Serialize)]
struct Asked<'a> {
    model: &'a engine::ModelConfig,
    stage: usize,
}

impl Program {
    /// Starts a command line, whose words are apart by blanks.
    pub(crate) fn start(command: &str) -> Result<Self, Failure> {
        let mut words = command.split_whitespace();
        let program = words.next().ok_or("a program without a name")?;
        let mut child = Command::new(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut name = String::new();
        answers.read_line(&mut name)?;
        Ok(Self { name: name.trim().to_owned(), child, questions, answers, folder: TempDir::new()? })
    }

    /// Has it compute a hop.
    pub(crate) fn compute(&mut self, hop: &Hop<'_>) -> Result<Handed, Failure> {
        let path = self.folder.path().join("hop");
        self.write(hop, &path)?;
        let questions = self.questions.as_mut().ok_or("no standard input")?;
        writeln!(questions, "{}", path.display())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.trim() != "done" {
            return Err(format!("{} gave no answer", self.name).into());
        }
        read(hop, &std::fs::read(path.with_added_extension("out"))?)
    }

    fn write(&self, hop: &Hop<'_>, path: &PathBuf) -> Result<(), Failure> {
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let mut tensors = Vec::new();
        for parameter in hop.weights.layout().parameters() {
            let values = &hop.weights.values()[parameter.range.clone()];
            tensors.push((parameter.name.clone(), Dtype::F32, parameter.shape.clone(), floats(values)));
        }
        let ids = hop.tokens.ids().iter().flat_map(|id| id.to_le_bytes()).collect();
        tensors.push(("ids".into(), Dtype::I32, vec![hop.tokens.batch(), hop.tokens.context() + 1], ids));
        for (name, tensor) in [("incoming", hop.incoming), ("outgoing_gradient", hop.outgoing_gradient)] {
            if let Some(tensor) = tensor.filter(|tensor| tensor.width() > 0) {
                let shape = vec![tensor.rows(), tensor.width()];
                tensors.push((name.into(), Dtype::F32, shape, floats(tensor.values())));
            }
        }
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)));
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        let asked = Asked { model: hop.config, stage: hop.weights.stage().as_usize() };
        let metadata = HashMap::from([("hop".to_owned(), serde_json::to_string(&asked)?)]);
        std::fs::write(path, safetensors::serialize(views, Some(metadata))?)?;
        Ok(())
    }
}

fn read(hop: &Hop<'_>, bytes: &[u8]) -> Result<Handed, Failure> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let floats = |name: &str| -> Result<Vec<f32>, Failure> {
        let (values, _) = tensors.tensor(name)?.data().as_chunks::<4>();
        Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
    };
    let boundary = |name: &str| -> Result<BoundaryTensor, Failure> {
        let values = floats(name)?;
        let rows = hop.tokens.tokens();
        Ok(BoundaryTensor::new(rows, values.len() / rows, values)?)
    };
    let stage = hop.weights.stage();
    let output = if hop.config.is_last(stage) {
        let losses = floats("output")?;
        StageOutput::Loss { loss_sum: losses.iter().map(|loss| f64::from(*loss)).sum(), tokens: losses.len() as u64 }
    } else {
        StageOutput::Boundary(boundary("output")?)
    };
    let mut gradients = Vec::new();
    for parameter in hop.weights.layout().parameters() {
        gradients.extend(floats(&parameter.name)?);
    }
    let tokens = hop.tokens.tokens() as u64;
    Ok(Handed {
        output,
        back: if hop.config.is_first(stage) { None } else { Some(boundary("incoming_gradient")?) },
        gradients: Gradients::from_values(hop.config, stage, tokens, gradients)?,
    })
}

impl Drop for Program {
    /// It ends with its input.
    fn drop(&mut self) {
        drop(self.questions.take());
        drop(self.child.wait());
    }
}
