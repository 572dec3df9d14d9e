//! The engine of a neuron: one operating-system thread that computes, for a machine that decides.
//!
//! ```text
//!  machine ──Action──▶ shell ──Order──▶ bounded queue ──▶ thread: StageWorker ──▶ StageCompute (engine::Stage)
//!                        ▲                                   │        │
//!                        └───────────── Report ◀─────────────┘        ├── TensorCache   tensors of transfers
//!                                                                     └── Blobs         states and gradients
//! ```
//!
//! [`StageWorker`] is the work itself, synchronous and without a thread, so that tests and auditors can use it.
//! [`Worker::start`] gives it a thread. [`StageCompute`] is the seam where a localnet puts other behaviours than honest
//! computation; an honest neuron computes with [`engine::Stage`], or on a device in a run with a tolerance.
//!
//! Invariants: orders are carried out one after the other in the order given; nothing here runs on the async runtime's
//! threads; what a peer sent is decoded with its length checked, and a failure is a report, never a panic.
//!
//! Known limit: a neighbour whose finite but absurdly large gradient overflows this stage's sum costs it the window's
//! upload: the sum is found not to be finite when it is sealed, and nothing is uploaded. No weights are touched.

mod compute;
mod hosting;
mod plan;
mod stage;
mod tensors;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

pub use compute::{ComputeFactory, Hosted, StageCompute, honest, on_device};
pub use hosting::Hosting;
pub use plan::{OtherTokens, PlanError, RunPlan, model_of};
pub use stage::{DoesNotFit, Order, PassLoss, Report, SEGMENT_CHUNK_BYTES, StageWorker, WorkerError};
pub use tensors::{TensorCache, TensorCacheFull};

use crate::store::Store;

/// Orders that wait for the engine: a window's passes may all be discarded at once.
const MAX_WAITING_ORDERS: usize = 8 * 1024;
/// Reports that wait for the shell. The machine has at most one computation, one sealing and one change of state
/// outstanding, so the engine never waits for room while the shell waits for room for an order.
const MAX_WAITING_REPORTS: usize = 64;

/// An engine thread.
pub struct Worker {
    orders: Option<mpsc::Sender<Order>>,
    reports: mpsc::Receiver<Report>,
    thread: Option<JoinHandle<Result<(), WorkerError>>>,
}

impl Worker {
    /// Starts the thread. It ends when this is dropped, after what it was given.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        name: &str,
        plan: Arc<RunPlan>,
        store: Arc<Store>,
        tensors: Arc<TensorCache>,
        factory: ComputeFactory,
        cap_bytes: Option<u64>,
    ) -> Result<Self, WorkerError> {
        let (orders, mut incoming) = mpsc::channel(MAX_WAITING_ORDERS);
        let (outgoing, reports) = mpsc::channel(MAX_WAITING_REPORTS);
        let thread = thread::Builder::new()
            .name(format!("engine {name}"))
            .spawn(move || {
                let mut worker = StageWorker::new(plan, store, tensors, factory, cap_bytes);
                while let Some(order) = incoming.blocking_recv() {
                    if let Some(report) = worker.carry_out(order)?
                        && outgoing.blocking_send(report).is_err()
                    {
                        break;
                    }
                }
                Ok(())
            })
            .map_err(WorkerError::Thread)?;
        Ok(Self { orders: Some(orders), reports, thread: Some(thread) })
    }

    /// Gives the engine an order; waits while its queue is full.
    ///
    /// # Errors
    /// When the engine has stopped, with the reason.
    pub async fn order(&mut self, order: Order) -> Result<(), WorkerError> {
        let sent = match &self.orders {
            Some(orders) => orders.send(order).await.is_ok(),
            None => false,
        };
        if sent { Ok(()) } else { Err(self.stopped()) }
    }

    /// The next thing that the engine has done. May be cancelled and called again without losing any.
    ///
    /// # Errors
    /// When the engine has stopped, with the reason.
    pub async fn next(&mut self) -> Result<Report, WorkerError> {
        match self.reports.recv().await {
            Some(report) => Ok(report),
            None => Err(self.stopped()),
        }
    }

    /// Why the thread has ended. Its channels are closed, so it is about to end if it has not yet.
    fn stopped(&mut self) -> WorkerError {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            Some(Err(_)) => WorkerError::Panicked,
            Some(Ok(Ok(()))) | None => WorkerError::Stopped,
        }
    }

    /// Lets the engine finish what it is at, and waits for it without blocking the runtime.
    pub async fn shutdown(mut self) {
        self.orders = None;
        self.reports.close();
        if let Some(thread) = self.thread.take() {
            // Its result was reported where it mattered; here only its end is awaited.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}
