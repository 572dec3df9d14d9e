//! How a user ends a run: Ctrl-C as a signal, or, while the live view holds the terminal in raw mode, as a key (or `q`).

use crossterm::event::{Event, EventStream, KeyCode, KeyModifiers};
use eyre::Result;
use futures::StreamExt;

/// Returns when the user ends the run.
pub async fn ended(live: bool) -> Result<()> {
    let signal = async { Ok(tokio::signal::ctrl_c().await?) };
    if !live {
        return signal.await;
    }
    tokio::select! {
        ended = signal => ended,
        ended = key() => ended,
    }
}

async fn key() -> Result<()> {
    let mut keys = EventStream::new();
    while let Some(event) = keys.next().await {
        if let Event::Key(key) = event? {
            let ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if ctrl_c || key.code == KeyCode::Char('q') {
                return Ok(());
            }
        }
    }
    // The terminal is gone; a signal may still come.
    std::future::pending().await
}
