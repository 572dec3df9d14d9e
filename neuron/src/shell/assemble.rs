//! Putting a run's model together: what its neurons stand on, from them, for somebody who trains nothing.
//!
//! ```text
//! chain ── run, members, beacon, posts ──▶ who committed what ──▶ commitments, by hash ──▶ one state per stage ──▶ weights
//!                                                                └──────────── from those who posted them ───────────┘
//! ```
//!
//! All stages are of one window: the newest one whose cut has passed and of which every stage can be had. A stage's state is
//! the one that more than half of those name who committed to the stage in time; a commitment that nobody gives counts
//! against, one that is not what its post says is none at all.
//!
//! What this does not stop: a dishonest majority of a stage's replicas, as everywhere.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use chain::{ChainError, Client, Netuid};
use engine::whole::WholeModelError;
use engine::{ModelConfig, Weights, WholeModel};
use futures::{StreamExt, stream};
use keys::{AccountId, Keypair};
use thiserror::Error;

use super::fetch;
use super::reads::{PostBook, ReadError, beacon, members_at};
use super::source::{SourceError, manifest_file, posted_run};
use super::visit::{MAX_DIALS, Visit, VisitError};
use crate::machine::{Action, BlockClock, ChainView, Placement};
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::message::commit::{CommitPost, Commitment, MAX_COMMITMENT_BYTES, StageState};
use crate::message::names::{BlockNumber, Hash, RunId, StageId, WindowId};
use crate::message::signed::Network;
use crate::worker::model_of;

/// Commitments asked for at once.
const MAX_FETCHES: usize = 16;
/// Windows whose faults an error spells out.
const MAX_TOLD_WINDOWS: usize = 4;

/// Whose model, and in whose name it is asked for.
pub struct AssembleConfig {
    /// The chain.
    pub client: Client,
    /// The subnet.
    pub netuid: Netuid,
    /// A registered hotkey that no neuron runs with.
    pub hotkey: Keypair,
    /// Whether axons on this machine's loopback are dialed. For a localnet only.
    pub allow_loopback: bool,
    /// The run's manifest; without it the run is the one that the subnet's owner posted, and peers have its manifest.
    pub manifest: Option<PathBuf>,
}

/// A model, and where it comes from.
#[derive(Debug)]
pub struct Assembled {
    /// The run.
    pub run: RunId,
    /// The window that starts with these weights.
    pub window: WindowId,
    /// The model.
    pub model: WholeModel,
    /// How its replicas agree, stage by stage.
    pub stages: Vec<Agreement>,
}

/// What a stage's replicas say that they stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The state that more than half name.
    pub state: StageState,
    /// Those who name it.
    pub named_by: Vec<AccountId>,
    /// How many committed.
    pub commitments: usize,
}

/// Why a window's model cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Lack {
    /// Nobody stands by the stage.
    #[error("nobody committed to stage {}", .0.0)]
    Nobody(StageId),
    /// No state has a majority.
    #[error("of {commitments} commitments to stage {}, no more than {most} are to be had that name the same weights", stage.0)]
    NoMajority {
        /// The stage.
        stage: StageId,
        /// Commitments posted.
        commitments: usize,
        /// Most that name one state.
        most: usize,
    },
    /// The weights are known by name only.
    #[error("none of the {named_by} neurons that named the weights of stage {} gave them", stage.0)]
    NotGiven {
        /// The stage.
        stage: StageId,
        /// How many were asked.
        named_by: usize,
    },
}

/// The windows that were looked at, newest first, and what each lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacks(pub Vec<(WindowId, Lack)>);

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (window, lack)) in self.0.iter().take(MAX_TOLD_WINDOWS).enumerate() {
            write!(f, "{}in window {}, {lack}", if place > 0 { "; " } else { "" }, window.0)?;
        }
        match self.0.len().saturating_sub(MAX_TOLD_WINDOWS) {
            0 => Ok(()),
            more => write!(f, "; and so on for {more} more"),
        }
    }
}

/// Why there is no model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain's answers cannot be used.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Peers cannot be visited.
    #[error(transparent)]
    Visit(#[from] VisitError),
    /// The manifest.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no run.
    #[error("the owner of subnet {0} has posted no run: name one with --manifest, or wait until the owner posts it")]
    NoRun(Netuid),
    /// The run is known by name only.
    #[error(
        "none of the {asked} neurons that have an axon gave the manifest of run {run}: name its file with --manifest, or \
         try again when the run's miners are up"
    )]
    NoManifest {
        /// The run.
        run: RunId,
        /// How many could be asked.
        asked: usize,
    },
    /// The run is trained elsewhere.
    #[error("run {0} belongs to another chain or subnet: choose them with --network and --netuid")]
    OtherNetwork(RunId),
    /// It is too early.
    #[error("run {run} has not come to its first cut, in block {cut}, yet (this is block {head}): try again after it", cut = cut.0, head = head.0)]
    TooEarly {
        /// The run.
        run: RunId,
        /// The first cut.
        cut: BlockNumber,
        /// The newest finalized block.
        head: BlockNumber,
    },
    /// The chain does not say who hosts what.
    #[error("who hosted which stage in window {} cannot be read from the chain now: try again with the next block", .0.0)]
    NoPlacement(WindowId),
    /// No window has all stages.
    #[error("no window of run {run} can be put together: {lacks}; try again after the next cut, in block {next_cut}, or see that miners of every stage run", next_cut = next_cut.0)]
    Incomplete {
        /// The run.
        run: RunId,
        /// What each window lacks.
        lacks: Lacks,
        /// When there is more.
        next_cut: BlockNumber,
    },
    /// The stages do not fit together.
    #[error(transparent)]
    Model(#[from] WholeModelError),
}

/// Assembles the newest model of a run that can be had.
///
/// # Errors
/// When there is none, or none to be had from here; what each needs, the error says.
pub async fn assemble(config: AssembleConfig) -> Result<Assembled, AssembleError> {
    let AssembleConfig { client, netuid, hotkey, allow_loopback, manifest } = config;
    let mut visit = Visit::start(&client, netuid, hotkey, allow_loopback).await?;
    let result = match find_manifest(&client, netuid, manifest, &mut visit).await {
        Ok(manifest) => newest(&client, &manifest, &mut visit).await,
        Err(error) => Err(error),
    };
    visit.shutdown().await;
    result
}

async fn find_manifest(
    client: &Client,
    netuid: Netuid,
    file: Option<PathBuf>,
    visit: &mut Visit,
) -> Result<Manifest, AssembleError> {
    let bytes = match file {
        Some(path) => manifest_file(path).await?,
        None => {
            let run = posted_run(client, netuid).await?.ok_or(AssembleError::NoRun(netuid))?;
            tracing::info!(%run, "looking for the manifest");
            ask_everybody(visit, run.0, MAX_MANIFEST_BYTES)
                .await?
                .ok_or_else(|| AssembleError::NoManifest { run, asked: visit.everybody().len() })?
        }
    };
    let manifest = Manifest::from_bytes(&bytes).map_err(SourceError::from)?;
    if manifest.network() != (Network { genesis: client.genesis_hash().0, netuid: netuid.0 }) {
        return Err(AssembleError::OtherNetwork(manifest.run_id().map_err(SourceError::from)?));
    }
    Ok(manifest)
}

/// A blob that anybody may have.
async fn ask_everybody(visit: &mut Visit, hash: Hash, limit_bytes: usize) -> Result<Option<Vec<u8>>, AssembleError> {
    for some in visit.everybody().chunks(MAX_DIALS) {
        visit.reach(some.iter().copied()).await?;
        if let Some(bytes) = ask_some(visit, some, hash, limit_bytes).await {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

async fn ask_some(visit: &Visit, peers: &[AccountId], hash: Hash, limit_bytes: usize) -> Option<Vec<u8>> {
    for peer in peers {
        if let Some(bytes) = fetch::ask(visit.net(), peer, hash, limit_bytes).await {
            return Some(bytes);
        }
    }
    None
}

async fn newest(client: &Client, manifest: &Manifest, visit: &mut Visit) -> Result<Assembled, AssembleError> {
    let model = model_of(manifest).map_err(SourceError::from)?;
    let run = manifest.run_id().map_err(SourceError::from)?;
    let head = BlockNumber(client.latest().await?.number().0);
    let clock = BlockClock::new(manifest);
    let cut = clock.cut_block(WindowId(0));
    let newest = newest_cut(&clock, head).ok_or(AssembleError::TooEarly { run, cut, head })?;
    let mut seeker = Seeker {
        client,
        manifest,
        run,
        model,
        head,
        book: PostBook::new(client.clone(), Netuid(manifest.netuid)),
        visit,
    };
    let mut lacks = Vec::new();
    let windows = std::iter::successors(Some(newest), |window| window.previous());
    for window in windows.take(manifest.retention_windows as usize) {
        match seeker.window(window).await? {
            Ok(stages) => {
                let (stages, weights) = stages.into_iter().unzip();
                return Ok(Assembled { run, window, model: WholeModel::new(seeker.model, weights)?, stages });
            }
            Err(lack) => {
                tracing::info!(window = window.0, %lack, "looking at the window before");
                lacks.push((window, lack));
            }
        }
    }
    let next_cut = clock.cut_block(newest.next());
    Err(AssembleError::Incomplete { run, lacks: Lacks(lacks), next_cut })
}

/// The newest window whose commits are final.
fn newest_cut(clock: &BlockClock, head: BlockNumber) -> Option<WindowId> {
    let window = clock.at(head)?.window;
    if head >= clock.cut_block(window) { Some(window) } else { window.previous() }
}

/// Looks for one run's stages.
struct Seeker<'a> {
    client: &'a Client,
    manifest: &'a Manifest,
    run: RunId,
    model: ModelConfig,
    head: BlockNumber,
    book: PostBook,
    visit: &'a mut Visit,
}

impl Seeker<'_> {
    /// All stages of a window, or the first thing that it lacks.
    async fn window(&mut self, window: WindowId) -> Result<Result<Vec<(Agreement, Weights)>, Lack>, AssembleError> {
        let (placement, commits) = self.read(window).await?;
        let stages = || (0..placement.stages()).map(StageId);
        let posted: Vec<_> = stages().map(|stage| posted(&placement, stage, &commits)).collect();
        // What the chain alone shows is found before anybody is bothered.
        if let Some((stage, _)) = stages().zip(&posted).find(|(_, posts)| posts.is_empty()) {
            return Ok(Err(Lack::Nobody(stage)));
        }
        self.visit.reach(posted.iter().flatten().map(|(hotkey, _)| *hotkey).collect::<BTreeSet<_>>()).await?;
        let mut agreements = Vec::new();
        for (stage, posts) in stages().zip(&posted) {
            match agreement(stage, &self.opened((window, stage), posts).await) {
                Ok(agreement) => agreements.push(agreement),
                Err(lack) => return Ok(Err(lack)),
            }
        }
        let mut found = Vec::new();
        for (stage, agreement) in stages().zip(agreements) {
            let Agreement { state, named_by, .. } = &agreement;
            tracing::info!(window = window.0, stage = stage.0, theta = %state.theta, "fetching weights");
            let Some(weights) = fetch::weights(self.visit.net(), &self.model, stage, *state, named_by).await else {
                return Ok(Err(Lack::NotGiven { stage, named_by: named_by.len() }));
            };
            found.push((agreement, weights));
        }
        Ok(Ok(found))
    }

    /// Who hosts what, and all commits. The questions are the miners' own, so the answers are, too.
    async fn read(&self, window: WindowId) -> Result<(Placement, Vec<(AccountId, CommitPost)>), AssembleError> {
        let mut view = ChainView::new(self.manifest, self.run);
        view.on_block(self.head);
        let mut questions = Vec::new();
        view.placement(self.manifest, window, &mut questions);
        view.commits(window, &mut questions);
        for question in questions {
            match question {
                Action::ReadMembers { window, at } => {
                    let netuid = Netuid(self.manifest.netuid);
                    view.on_members(window, members_at(self.client, netuid, self.run, at).await?);
                }
                Action::ReadBeacon { slot, block } => {
                    if let Some(randomness) = beacon(self.client, self.manifest.beacon_key, block).await? {
                        view.on_beacon(slot, randomness);
                    }
                }
                Action::ReadPosts { window, kind, from, through } => {
                    let posts = self.book.read(from, through).await?;
                    view.on_posts(window, kind, &posts);
                }
                _ => {}
            }
        }
        // What is not known now is not asked again: the chain has been asked everything.
        let mut rest = Vec::new();
        let placement = view.placement(self.manifest, window, &mut rest).cloned();
        let commits = view.commits(window, &mut rest).map(<[_]>::to_vec);
        placement.zip(commits).ok_or(AssembleError::NoPlacement(window))
    }

    /// The commitments behind a stage's posts.
    async fn opened(
        &self,
        (window, stage): (WindowId, StageId),
        posts: &[(AccountId, CommitPost)],
    ) -> Vec<(AccountId, Opening)> {
        let (visit, run) = (&*self.visit, self.run);
        let opened = stream::iter(posts.iter().copied()).map(|(author, post)| async move {
            // Its neighbours fetched it too.
            let others = posts.iter().map(|(hotkey, _)| *hotkey).filter(|hotkey| *hotkey != author);
            let sources: Vec<_> = std::iter::once(author).chain(others).collect();
            let bytes = ask_some(visit, &sources, post.commitment, MAX_COMMITMENT_BYTES).await;
            (author, Opening::of(bytes.as_deref(), (run, window, stage, author)))
        });
        opened.buffered(MAX_FETCHES).collect().await
    }
}

/// The posts of those who host a stage, in uid order.
fn posted(placement: &Placement, stage: StageId, commits: &[(AccountId, CommitPost)]) -> Vec<(AccountId, CommitPost)> {
    let of = |hotkey: AccountId| {
        commits.iter().find(move |(poster, post)| *poster == hotkey && post.stage == stage).copied()
    };
    placement.replicas(stage).iter().filter_map(|replica| of(replica.hotkey)).collect()
}

/// What came of a posted commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// Nobody gave it.
    Withheld,
    /// It is not what its post says, and as good as not posted.
    Void,
    /// It names this state.
    Names(StageState),
}

impl Opening {
    fn of(bytes: Option<&[u8]>, due: (RunId, WindowId, StageId, AccountId)) -> Self {
        let Some(bytes) = bytes else { return Self::Withheld };
        match Commitment::from_bytes(bytes) {
            Ok(is) if (is.run, is.window, is.stage, is.hotkey) == due => Self::Names(is.state),
            _ => Self::Void,
        }
    }
}

/// The state that more than half name of those who committed.
fn agreement(stage: StageId, opened: &[(AccountId, Opening)]) -> Result<Agreement, Lack> {
    let commitments = opened.iter().filter(|(_, opening)| *opening != Opening::Void).count();
    if commitments == 0 {
        return Err(Lack::Nobody(stage));
    }
    let named_by = |state: &StageState| -> Vec<AccountId> {
        opened.iter().filter(|(_, opening)| *opening == Opening::Names(*state)).map(|(hotkey, _)| *hotkey).collect()
    };
    let states = opened.iter().filter_map(|(_, opening)| match opening {
        Opening::Names(state) => Some((*state, named_by(state))),
        Opening::Withheld | Opening::Void => None,
    });
    match states.max_by_key(|(_, named_by)| named_by.len()) {
        Some((state, named_by)) if named_by.len() * 2 > commitments => Ok(Agreement { state, named_by, commitments }),
        best => Err(Lack::NoMajority { stage, commitments, most: best.map_or(0, |(_, named_by)| named_by.len()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;

    const STAGE: StageId = StageId(1);

    fn state(theta: u8) -> StageState {
        StageState { theta: Hash([theta; 32]), blob: Hash([theta + 100; 32]) }
    }

    fn said(named: &[Option<u8>]) -> Vec<(AccountId, Opening)> {
        let opening = |named: &Option<u8>| named.map_or(Opening::Withheld, |theta| Opening::Names(state(theta)));
        (0..).zip(named).map(|(place, named)| (AccountId([place; 32]), opening(named))).collect()
    }

    #[test]
    fn a_state_needs_more_than_half_of_all_who_committed() {
        let agreed = agreement(STAGE, &said(&[Some(1), Some(2), Some(1)])).unwrap();
        let named_by = vec![AccountId([0; 32]), AccountId([2; 32])];
        assert_eq!(agreed, Agreement { state: state(1), named_by, commitments: 3 });
        let lacks = |named: &[Option<u8>], most| {
            let lack = Lack::NoMajority { stage: STAGE, commitments: named.len(), most };
            assert_eq!(agreement(STAGE, &said(named)), Err(lack), "{named:?}");
        };
        lacks(&[Some(1), Some(2)], 1);
        lacks(&[Some(1), None], 1);
        lacks(&[None], 0);
        lacks(&[Some(1), Some(1), None, Some(2)], 2);
        let void = (AccountId([9; 32]), Opening::Void);
        assert_eq!(agreement(STAGE, &[void]), Err(Lack::Nobody(STAGE)));
        let beside_void = [said(&[Some(1)])[0], void];
        assert_eq!(agreement(STAGE, &beside_void).unwrap().commitments, 1);
        // The same weights under two blobs are two states: who gives one may not have the other.
        let other = StageState { blob: Hash([9; 32]), ..state(1) };
        let split = [(AccountId([0; 32]), Opening::Names(state(1))), (AccountId([1; 32]), Opening::Names(other))];
        assert!(matches!(agreement(STAGE, &split), Err(Lack::NoMajority { most: 1, .. })));
    }

    #[test]
    fn a_commitment_counts_only_where_it_was_posted() {
        let due = (RunId(Hash([1; 32])), WindowId(2), STAGE, AccountId([4; 32]));
        let commitment = Commitment {
            run: due.0,
            window: due.1,
            stage: due.2,
            hotkey: due.3,
            state: state(5),
            leaves_root: Hash::ZERO,
            leaves: 0,
            upload: None,
            residual: Hash::ZERO,
        };
        let open = |commitment: Commitment| Opening::of(Some(&commitment.to_bytes().unwrap()), due);
        assert_eq!(open(commitment), Opening::Names(state(5)));
        for other in [
            Commitment { run: RunId(Hash([2; 32])), ..commitment },
            Commitment { window: WindowId(3), ..commitment },
            Commitment { stage: StageId(0), ..commitment },
            Commitment { hotkey: AccountId([5; 32]), ..commitment },
        ] {
            assert_eq!(open(other), Opening::Void, "{other:?}");
        }
        assert_eq!(Opening::of(Some(b"nonsense"), due), Opening::Void);
        assert_eq!(Opening::of(None, due), Opening::Withheld);
    }

    #[test]
    fn the_newest_window_is_one_whose_cut_has_passed() {
        // Windows of 24 blocks from block 100 on, cuts in their blocks 15.
        let clock = BlockClock::new(&manifest());
        let newest = |block| newest_cut(&clock, BlockNumber(block)).map(|window| window.0);
        assert_eq!(
            [99, 100, 114, 115, 123, 124, 138, 139].map(newest),
            [None, None, None, Some(0), Some(0), Some(0), Some(0), Some(1)]
        );
    }

    #[test]
    fn errors_name_windows_and_stages_and_stay_short() {
        let lack = |window| (WindowId(window), Lack::NotGiven { stage: STAGE, named_by: 2 });
        let error = AssembleError::Incomplete {
            run: RunId(Hash([7; 32])),
            lacks: Lacks((0..200).rev().map(lack).collect()),
            next_cut: BlockNumber(5000),
        };
        let text = error.to_string();
        assert!(text.contains("in window 199, none of the 2 neurons that named the weights of stage 1 gave them"));
        assert!(text.contains("and so on for 196 more") && text.contains("block 5000"), "{text}");
        assert!(text.len() < 700, "{} bytes", text.len());
    }
}
