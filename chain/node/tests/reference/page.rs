//! The page: pallets with their calls, storage, events and errors, then runtime APIs, each with what is Bittensor's and
//! not here.

use std::collections::BTreeSet;
use std::fmt::Write;

use frame_metadata::v15::{PalletMetadata, RuntimeMetadataV15, StorageEntryType};
use scale_info::form::PortableForm;

use crate::Bittensor;
use crate::types::{Item, calls, summary, type_name, variants};

const HEAD: &str = "\
# Chain reference

Generated from the runtime's metadata; `make docs` writes it anew, and a test holds it to the runtime. What the pieces mean,
and how they behave where they differ from Bittensor's, is in [chain.md](chain.md).

Lists headed *Not here* name what Bittensor's pallet has and this one lacks";

/// All of it.
pub(crate) fn page(metadata: &RuntimeMetadataV15, bittensor: &Bittensor) -> String {
    let mut page = format!("{HEAD} (compared with {}).\n", bittensor.source);
    for pallet in &metadata.pallets {
        let name = &pallet.name;
        put(&mut page, format_args!("\n## {name} (pallet {})\n", pallet.index));
        let theirs = bittensor.calls.get(name);
        let lacks = |ours: &[String], theirs: Option<Vec<&String>>| {
            let ours: BTreeSet<&String> = ours.iter().collect();
            theirs.unwrap_or_default().into_iter().filter(|name| !ours.contains(name)).cloned().collect::<Vec<_>>()
        };

        let here = calls(metadata, pallet);
        table_of_calls(&mut page, &here);
        not_here(&mut page, "calls", &lacks(&names(&here), theirs.map(|calls| calls.keys().collect())));

        let stored = storage(metadata, pallet);
        table_of_storage(&mut page, &stored);
        let here: Vec<String> = stored.iter().map(|entry| entry.name.clone()).collect();
        not_here(&mut page, "storage", &lacks(&here, bittensor.storage.get(name).map(|s| s.iter().collect())));

        let events = pallet.event.as_ref().map(|event| variants(metadata, event.ty.id)).unwrap_or_default();
        line_of_names(&mut page, "Events", &events);
        not_here(&mut page, "events", &lacks(&names(&events), bittensor.events.get(name).map(|e| e.iter().collect())));

        let errors = pallet.error.as_ref().map(|error| variants(metadata, error.ty.id)).unwrap_or_default();
        line_of_names(&mut page, "Errors", &errors);
        not_here(&mut page, "errors", &lacks(&names(&errors), bittensor.errors.get(name).map(|e| e.iter().collect())));
    }
    let pallets: BTreeSet<&String> = metadata.pallets.iter().map(|pallet| &pallet.name).collect();
    let absent: Vec<String> = bittensor.calls.keys().filter(|name| !pallets.contains(name)).cloned().collect();
    put(&mut page, format_args!("\n## Pallets\n"));
    not_here(&mut page, "pallets (of those compared)", &absent);
    apis(&mut page, metadata, bittensor);
    page
}

fn names(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| item.name.clone()).collect()
}

fn table_of_calls(page: &mut String, calls: &[Item]) {
    if calls.is_empty() {
        return;
    }
    *page += "\n| # | call | arguments | |\n|---|---|---|---|\n";
    for call in calls {
        let arguments: Vec<String> = call.fields.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        let arguments = code(&arguments.join(", "));
        put(page, format_args!("| {} | `{}` | {arguments} | {} |\n", call.index, call.name, call.summary));
    }
}

struct Stored {
    name: String,
    keys: String,
    value: String,
    summary: String,
}

fn storage(metadata: &RuntimeMetadataV15, pallet: &PalletMetadata<PortableForm>) -> Vec<Stored> {
    let entries = pallet.storage.iter().flat_map(|storage| &storage.entries);
    let stored = entries.map(|entry| {
        let (keys, value) = match &entry.ty {
            StorageEntryType::Plain(value) => (String::new(), value.id),
            StorageEntryType::Map { key, value, .. } => (type_name(metadata, key.id), value.id),
        };
        let value = type_name(metadata, value);
        Stored { name: entry.name.clone(), keys, value, summary: summary(&entry.docs) }
    });
    stored.collect()
}

fn table_of_storage(page: &mut String, stored: &[Stored]) {
    if stored.is_empty() {
        return;
    }
    *page += "\n| storage | keys | value | |\n|---|---|---|---|\n";
    for Stored { name, keys, value, summary } in stored {
        put(page, format_args!("| `{name}` | {} | {} | {summary} |\n", code(keys), code(value)));
    }
}

fn line_of_names(page: &mut String, title: &str, items: &[Item]) {
    if items.is_empty() {
        return;
    }
    let mut names: Vec<String> = items.iter().map(|item| format!("`{}`", item.name)).collect();
    names.sort();
    put(page, format_args!("\n{title}: {}.\n", names.join(", ")));
}

fn not_here(page: &mut String, what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    put(page, format_args!("\n*Not here*, {what}: {}.\n", names.join(", ")));
}

fn apis(page: &mut String, metadata: &RuntimeMetadataV15, bittensor: &Bittensor) {
    *page += "\n## Runtime APIs\n\n| API | method | arguments | result |\n|---|---|---|---|\n";
    let mut here: BTreeSet<(&str, &str)> = BTreeSet::new();
    for api in &metadata.apis {
        for method in &api.methods {
            here.insert((&api.name, &method.name));
            let inputs: Vec<String> = method
                .inputs
                .iter()
                .map(|input| format!("{}: {}", input.name, type_name(metadata, input.ty.id)))
                .collect();
            let output = code(&type_name(metadata, method.output.id));
            let inputs = code(&inputs.join(", "));
            put(page, format_args!("| `{}` | `{}` | {inputs} | {output} |\n", api.name, method.name));
        }
    }
    let theirs = bittensor.apis.iter().flat_map(|(api, methods)| methods.keys().map(move |method| (api, method)));
    let absent: Vec<String> = theirs
        .filter(|(api, method)| !here.contains(&(api.as_str(), method.as_str())))
        .map(|(api, method)| format!("{api}.{method}"))
        .collect();
    not_here(page, "runtime APIs", &absent);
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) }
}

fn put(page: &mut String, line: std::fmt::Arguments<'_>) {
    page.write_fmt(line).expect("a string takes everything");
}
