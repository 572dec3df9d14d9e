//! A whole subnet from the outside: the binary is run as a user runs it, and what it claims is read back from the chain
//! it leaves behind, over RPC.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chain::{BlockNumber, Client, ConnectConfig, Netuid};
use clap::Parser;
use localnet::accounts::Accounts;
use localnet::cli::{Cli, Command as Verb};
use localnet::subnet::node_config;
use narrows_node::DevNode;
use serde_json::Value;

/// A small, fast subnet: two validators, three miners, epochs of three seconds.
const SMALL: &[&str] = &[
    "up",
    "--miners",
    "3",
    "--stages",
    "2",
    "--validators",
    "2",
    "--adversary",
    "none",
    "--tempo",
    "30",
    "--block-time",
    "100ms",
    "--port",
    "0",
];

fn localnet(more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_localnet"));
    command.args(SMALL).args(more).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// Two subnets at once would slow each other: one test at a time runs one.
static ALONE: Mutex<()> = Mutex::new(());

fn run(more: &[&str]) -> Output {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    localnet(more).output().expect("localnet starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object on stdout")
}

/// The chain that a run left in `state`, opened again.
async fn reopen(state: &Path) -> (DevNode, Client, Accounts) {
    let state_flag = state.to_str().expect("path");
    let Verb::Up(args) = Cli::parse_from(["localnet"].iter().chain(SMALL).chain(&["--state", state_flag])).command
    else {
        panic!("up is up");
    };
    let accounts = Accounts::derive(args.seed, args.validators, args.miners);
    let node = DevNode::start(node_config(&args, &accounts)).await.expect("the chain goes on");
    node.control().pause().await.expect("runs");
    let client = Client::connect(ConnectConfig::new([node.rpc_url()]).expect("url")).await.expect("connects");
    (node, client, accounts)
}

#[test]
fn a_run_pays_and_the_chain_says_so_too() {
    let state = tempfile::tempdir().expect("folder");
    let flags = ["--ci", "--json", "--epochs", "5", "--state", state.path().to_str().expect("path")];
    let report = report(&run(&flags));
    assert_eq!(report["paid_epochs"], 5);
    assert!(report["windows"].as_u64().is_some_and(|windows| windows >= 4), "{report}");
    assert!(report["invariants"].as_array().expect("invariants").iter().all(|i| i["held"] == true), "{report}");

    let sent = &report["bytes"]["activations"];
    let (raw, wire) = (sent["raw"].as_u64().expect("raw"), sent["wire"].as_u64().expect("wire"));
    assert!(wire > 0 && raw > 4 * wire, "a bottleneck of 8 out of 64 saves bytes on the wire: {raw} {wire}");

    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let (node, client, accounts) = reopen(state.path()).await;
        // The summary speaks of the last block it read; the chain may have been a few ahead.
        let summed_up = BlockNumber(report["blocks"].as_u64().expect("blocks"));
        assert!(node.tip().number as u64 >= summed_up.0, "the chain went on from where it was");
        let head = client.at_number(summed_up).await.expect("state");
        let netuid = Netuid(1);
        let metagraph = head.metagraph(netuid).await.expect("metagraph");

        // Weights lie in storage as revealed: every validator weighs the miners, all the same, and nobody else.
        let weights = head.weights(netuid, 0).await.expect("weights");
        let miners: Vec<_> =
            accounts.miners.iter().map(|m| metagraph.by_hotkey(&m.hotkey_id()).expect("registered").uid).collect();
        for validator in &accounts.validators {
            let uid = metagraph.by_hotkey(&validator.hotkey_id()).expect("registered").uid;
            let row: BTreeMap<_, _> = weights[&uid].iter().copied().collect();
            assert_eq!(row.keys().copied().collect::<Vec<_>>(), miners);
            assert!(row.values().all(|value| *value > 10_000), "honest miners share the work: {row:?}");
        }

        // What the summary calls earned is stake on the hotkey: nothing else has moved it.
        for neuron in report["neurons"].as_array().expect("neurons") {
            let name = neuron["name"].as_str().expect("name");
            let account = accounts.neurons().find(|a| a.name == name).expect("one of ours");
            let stake = head.hotkey_stake(account.hotkey_id(), netuid).await.expect("stake").0;
            let earned = neuron["emission_rao"].as_u64().expect("emission");
            if name.starts_with("miner") {
                assert_eq!(stake, earned, "{name}");
                assert!(earned > 0, "{name}");
            } else {
                assert!(stake > localnet::setup::VALIDATOR_STAKE.0, "{name} earned dividends");
            }
        }

        // The beacon's pulses verify under the key that the chain names, with the client's own code.
        let config = head.beacon_config().await.expect("beacon");
        let block = head.timestamp_ms().await.expect("time");
        let round = config.round_at(block).expect("a round");
        let pulse = head.pulse(round).await.expect("storage").expect("the round of this block");
        config.verify(&pulse).expect("signed by the beacon");
        node.shutdown().await.expect("stops");
    });
}

#[test]
fn the_same_seed_gives_the_same_people() {
    let who = |report: &Value| -> Vec<(u64, String)> {
        let neurons = report["neurons"].as_array().expect("neurons").iter();
        neurons.map(|n| (n["uid"].as_u64().expect("uid"), n["hotkey"].as_str().expect("hotkey").to_owned())).collect()
    };
    let first = who(&report(&run(&["--json", "--windows", "1"])));
    assert_eq!(first, who(&report(&run(&["--json", "--windows", "1"]))));
    assert_ne!(first, who(&report(&run(&["--json", "--windows", "1", "--seed", "2"]))));
}

#[test]
fn nonsense_and_a_taken_port_end_with_status_2() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("address").port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_localnet"));
    let output = command.args(["up", "--ci", "--port", &port]).stdin(Stdio::null()).output().expect("localnet starts");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(&port), "the error names the port: {}", text(&output.stderr));

    let empty = tempfile::tempdir().expect("folder");
    let empty = empty.path().to_str().expect("path");
    let nonsense: [[&str; 2]; 8] = [
        ["--adversary", "liar:1"],
        ["--adversary", "lazy:9"],
        ["--miners", "0"],
        ["--miners", "3"],
        ["--tempo", "1"],
        ["--block-time", "now"],
        ["--corpus", "/does/not/exist"],
        ["--corpus", empty],
    ];
    for flags in nonsense {
        let output = Command::new(env!("CARGO_BIN_EXE_localnet")).arg("up").args(flags).output().expect("starts");
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

#[test]
fn an_interrupt_ends_the_run_cleanly() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let child = localnet(&["-v"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("localnet starts");
    let pid = child.id().to_string();
    let (done, waited) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    // Wherever it stands when the signal comes, setting up or running, it must end by itself.
    let early = waited.recv_timeout(Duration::from_secs(8));
    assert!(early.is_err(), "an open-ended run went on: {early:?}");
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let output = waited.recv_timeout(Duration::from_secs(60)).expect("it ends").expect("output");
    assert!(matches!(output.status.code(), Some(0 | 130)), "{}: {}", output.status, text(&output.stderr));
    let wallets = text(&output.stdout).lines().find_map(|l| l.strip_prefix("wallets  ").map(str::to_owned));
    if let Some(wallets) = wallets {
        assert!(!Path::new(&wallets).exists(), "its files are gone: {wallets}");
    }
}
