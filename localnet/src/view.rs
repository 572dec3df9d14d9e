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
    let [head, epoch, table, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Min(3), Constraint::Length(1)])
            .areas(frame.area());
    let loss = tally
        .training_loss()
        .map_or_else(String::new, |(window, nats)| format!("   window {window}: training loss {nats:.3}"));
    let title = Line::from(vec![
        Span::from(" narrows localnet ").bold().reversed(),
        Span::from(format!(
            "  {}   netuid {}   seed {}   block {}   paid epochs {}{}",
            header.rpc_url, header.netuid, header.seed, tally.block, tally.paid_epochs, loss
        )),
    ]);
    frame.render_widget(Paragraph::new(title), head);
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

fn neurons(tally: &Tally) -> Table<'_> {
    let columns = [
        "uid",
        "name",
        "stage",
        "window",
        "passes",
        "peers",
        "incentive",
        "dividends",
        "commits",
        "reveals",
        "stake",
        "earned",
    ];
    let rows = tally.by_uid().into_iter().map(row);
    let widths = [4, 14, 6, 7, 7, 6, 10, 10, 8, 8, 16, 16].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(columns).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(" neurons "))
}

fn row(neuron: &NeuronTally) -> Row<'_> {
    let share = |part: u16| if part == 0 { "-".to_owned() } else { format!("{:.3}", f64::from(part) / 65_535.0) };
    let colour = match neuron.role {
        Role::Validator => Color::Cyan,
        _ => Color::Reset,
    };
    Row::new([
        Cell::from(neuron.uid.to_string()),
        Cell::from(neuron.name.as_str()),
        Cell::from(neuron.place.map_or_else(|| "-".to_owned(), |(_, stage)| stage.to_string())),
        Cell::from(neuron.place.map_or_else(|| "-".to_owned(), |(window, _)| window.to_string())),
        Cell::from(if neuron.passes == 0 { "-".to_owned() } else { neuron.passes.to_string() }),
        Cell::from(neuron.peers.len().to_string()),
        Cell::from(share(neuron.incentive)),
        Cell::from(share(neuron.dividends)),
        Cell::from(neuron.commits.len().to_string()),
        Cell::from(neuron.reveals.len().to_string()),
        Cell::from(short(Rao(neuron.stake_rao))),
        Cell::from(short(Rao(neuron.emission_rao))),
    ])
    .style(Style::new().fg(colour))
}

/// An amount with three decimals, for columns.
pub fn short(amount: Rao) -> String {
    format!("{:.3} τ", amount.0 as f64 / Rao::PER_TAO as f64)
}
