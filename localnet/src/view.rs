//! The live view on a terminal: drawn from the tally, nothing else.

use std::io;

use chain::Rao;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Gauge, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};

use crate::accounts::Role;
use crate::tally::{NeuronTally, Tally};

/// What stands in the view's head and does not change.
#[derive(Clone, Debug)]
pub struct Header {
    /// The chain's RPC address.
    pub rpc_url: String,
    /// The subnet.
    pub netuid: u16,
    /// The localnet's seed.
    pub seed: u64,
    /// Blocks in an epoch.
    pub tempo: u16,
    /// Stages of the model.
    pub stages: u16,
}

/// The terminal in drawing mode; leaving restores it, also on a panic.
pub struct View {
    terminal: DefaultTerminal,
    header: Header,
}

impl View {
    /// Takes the terminal over.
    pub fn open(header: Header) -> io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()?, header })
    }

    /// Draws the localnet as it stands.
    pub fn draw(&mut self, tally: &Tally) -> io::Result<()> {
        let header = &self.header;
        self.terminal.draw(|frame| draw(frame, header, tally))?;
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn draw(frame: &mut Frame<'_>, header: &Header, tally: &Tally) {
    let [head, learning, epoch, table, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let title = Line::from(vec![
        Span::from(" narrows localnet ").bold().reversed(),
        Span::from(format!(
            "  {}   netuid {}   seed {}   block {}   paid epochs {}",
            header.rpc_url, header.netuid, header.seed, tally.block, tally.paid_epochs
        )),
    ]);
    frame.render_widget(Paragraph::new(title), head);
    frame.render_widget(Paragraph::new(progress(header, tally)), learning);
    let left = tally.epoch_end.saturating_sub(tally.block);
    let done = 1.0 - (left as f64 / f64::from(header.tempo.max(1))).clamp(0.0, 1.0);
    let gauge = Gauge::default()
        .ratio(done)
        .label(format!("epoch {}: {left} blocks left", tally.epoch))
        .gauge_style(Style::new().fg(Color::Blue));
    frame.render_widget(gauge, epoch);
    frame.render_widget(neurons(tally), table);
    frame.render_widget(Paragraph::new(" Ctrl-C ends the localnet. All keys are public.").dim(), foot);
}

/// What was trained so far.
fn progress(header: &Header, tally: &Tally) -> String {
    let mut parts = Vec::new();
    match tally.last_common_state(header.stages) {
        Some((window, _)) => parts.push(format!("{window} windows merged")),
        None => parts.push("waiting for the first window".to_owned()),
    }
    if let Some((window, nats)) = tally.training_loss() {
        parts.push(format!("training loss {nats:.3} in window {window}"));
    }
    if let Some((window, nats)) = tally.held_out.iter().next_back() {
        parts.push(format!("held-out loss {nats:.3} at window {window}"));
    }
    format!(" {}", parts.join("   "))
}

/// Columns, each as wide as what it holds.
const COLUMNS: [(&str, u16); 14] = [
    ("uid", 3),
    ("name", 12),
    ("persona", 7),
    ("stage", 5),
    ("window", 6),
    ("passes", 6),
    ("verified", 8),
    ("audits", 7),
    ("convicted", 9),
    ("peers", 5),
    ("incentive", 9),
    ("dividends", 9),
    ("reveals", 7),
    ("earned", 12),
];

fn neurons(tally: &Tally) -> Table<'_> {
    let rows = tally.by_uid().into_iter().map(|neuron| row(tally, neuron));
    let widths = COLUMNS.map(|(_, width)| Constraint::Length(width));
    Table::new(rows, widths)
        .header(Row::new(COLUMNS.map(|(name, _)| name)).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(" neurons "))
}

fn row<'a>(tally: &Tally, neuron: &'a NeuronTally) -> Row<'a> {
    let is_miner = neuron.role == Role::Miner;
    let colour = match (neuron.role, neuron.is_adversary()) {
        _ if neuron.killed || neuron.convicted.is_some() => Color::DarkGray,
        (Role::Validator, _) => Color::Cyan,
        (_, true) => Color::Red,
        _ => Color::Reset,
    };
    let dash = || "-".to_owned();
    let of_miner = |text: String| if is_miner { text } else { dash() };
    let convicted = match (neuron.convicted, neuron.convicted_by.len()) {
        (Some(block), _) => format!("at {block}"),
        (None, 0) => dash(),
        (None, count) => format!("by {count}"),
    };
    Row::new([
        Cell::from(neuron.uid.to_string()),
        Cell::from(neuron.name.as_str()),
        Cell::from(if neuron.killed { "killed".to_owned() } else { of_miner(neuron.persona.word().to_owned()) }),
        Cell::from(neuron.place.map_or_else(dash, |(_, stage)| stage.to_string())),
        Cell::from(neuron.place.map_or_else(dash, |(window, _)| window.to_string())),
        Cell::from(of_miner(neuron.passes.to_string())),
        Cell::from(of_miner(tally.verified_passes(neuron).to_string())),
        Cell::from(of_miner(format!("{}/{}", neuron.audits.0, neuron.audits.1))),
        Cell::from(convicted),
        Cell::from(neuron.peers.len().to_string()),
        Cell::from(share(neuron.incentive)),
        Cell::from(share(neuron.dividends)),
        Cell::from(if is_miner { dash() } else { neuron.reveals.to_string() }),
        Cell::from(short(Rao(neuron.emission_rao))),
    ])
    .style(Style::new().fg(colour))
}

/// A share of 65,535, with three decimals.
pub fn share(part: u16) -> String {
    if part == 0 { "-".to_owned() } else { format!("{:.3}", f64::from(part) / 65_535.0) }
}

/// An amount with three decimals, for columns.
pub fn short(amount: Rao) -> String {
    format!("{:.3} τ", amount.0 as f64 / Rao::PER_TAO as f64)
}
