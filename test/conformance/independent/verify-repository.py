"""Verifies a TUF repository and what it lists, with securesystemslib (the library of the TUF reference) alone.

    verify-repository.py STORE ROOT ARTIFACT RING

From the pinned root on: roots, timestamp, snapshot, targets, delegated roles (TUF 1.0.31, 5.3 to 5.6), then the
artifact's manifest, program and DSSE provenance, the ring's release and success. Prints what it found as JSON, or says
what is wrong and exits with 1.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import sys

from securesystemslib.formats import encode_canonical
from securesystemslib.keys import verify_signature

STORE, ROOT, ARTIFACT, RING = sys.argv[1:5]


def fail(why):
    print(why, file=sys.stderr)
    sys.exit(1)


def read(*parts):
    try:
        return pathlib.Path(STORE, *parts).read_bytes()
    except FileNotFoundError:
        fail(f"{'/'.join(parts)} is missing")


def expect(condition, why):
    if not condition:
        fail(why)


def good(key, keyid, sig, message):
    """Does this Ed25519 key sign the message?"""
    public = {"keytype": "ed25519", "scheme": "ed25519", "keyid": keyid, "keyval": dict(key["keyval"], private="")}
    try:
        return verify_signature(public, {"keyid": keyid, "sig": sig}, message)
    except Exception:
        return False


def signers(role, keys, signatures, message):
    """Distinct keys of the role that signed; `signatures`: (keyid, hex)."""
    found = set()
    for keyid, sig in signatures:
        key = keys.get(keyid)
        if keyid in role["keyids"] and key is not None and good(key, keyid, sig, message):
            found.add(key["keyval"]["public"])
    return len(found)


def signed_by(metadata, role, keys, what):
    message = encode_canonical(metadata["signed"]).encode()
    pairs = [(each["keyid"], each["sig"]) for each in metadata["signatures"]]
    expect(signers(role, keys, pairs, message) >= role["threshold"], f"{what}: signatures")
    for keyid, key in keys.items():
        form = {name: key[name] for name in ("keytype", "scheme", "keyval")}
        expect(hashlib.sha256(encode_canonical(form).encode()).hexdigest() == keyid, f"{what}: key id")


def fresh(signed, what):
    expires = datetime.datetime.strptime(signed["expires"], "%Y-%m-%dT%H:%M:%SZ")
    expect(expires > datetime.datetime.utcnow(), f"{what}: expired")


def described(data, meta, what):
    expect(len(data) == meta.get("length", len(data)), f"{what}: length")
    expect(hashlib.sha256(data).hexdigest() == meta["hashes"]["sha256"], f"{what}: hash")


root = json.loads(pathlib.Path(ROOT).read_bytes())
signed_by(root, root["signed"]["roles"]["root"], root["signed"]["keys"], "pinned root")
while True:
    version = root["signed"]["version"] + 1
    file = pathlib.Path(STORE, "tuf", f"{version}.root.json")
    if not file.exists():
        break
    after = json.loads(file.read_bytes())
    signed_by(after, root["signed"]["roles"]["root"], root["signed"]["keys"], f"root {version}")
    signed_by(after, after["signed"]["roles"]["root"], after["signed"]["keys"], f"root {version}")
    expect(after["signed"]["version"] == version, f"root {version}: version")
    root = after
fresh(root["signed"], "root")


def top(role, data):
    metadata = json.loads(data)
    expect(metadata["signed"]["_type"] == role, f"{role}: type")
    signed_by(metadata, root["signed"]["roles"][role], root["signed"]["keys"], role)
    fresh(metadata["signed"], role)
    return metadata["signed"]


timestamp = top("timestamp", read("tuf", "timestamp.json"))


def listed(meta, name):
    data = read("tuf", f"{meta['version']}.{name}.json")
    described(data, meta, name)
    return data


snapshot = top("snapshot", listed(timestamp["meta"]["snapshot.json"], "snapshot"))
expect(snapshot["version"] == timestamp["meta"]["snapshot.json"]["version"], "snapshot: version")
targets = top("targets", listed(snapshot["meta"]["targets.json"], "targets"))
delegations = targets["delegations"]
roles = {}
for delegation in delegations["roles"]:
    name = delegation["name"]
    metadata = json.loads(listed(snapshot["meta"][f"{name}.json"], name))
    signed_by(metadata, delegation, delegations["keys"], name)
    fresh(metadata["signed"], name)
    expect(metadata["signed"]["version"] == snapshot["meta"][f"{name}.json"]["version"], f"{name}: version")
    expect(delegation["terminating"] and delegation["paths"] == [f"{name}/*"], f"{name}: paths")
    roles[name] = (metadata["signed"]["targets"], delegation)


def target(role, path):
    meta = roles[role][0].get(path)
    expect(meta is not None, f"{path} is not listed")
    folder, name = path.rsplit("/", 1)
    data = read("tuf", "targets", folder, f"{meta['hashes']['sha256']}.{name}")
    described(data, meta, path)
    return data


def blob(digest):
    data = read("blobs", "sha256", digest.removeprefix("sha256:"))
    expect("sha256:" + hashlib.sha256(data).hexdigest() == digest, f"{digest}: hash")
    return data


def dsse(envelope, payload_type, role):
    """DSSE 1.0.2: signatures over PAE(type, payload) by the role's keys."""
    envelope = json.loads(envelope)
    expect(envelope["payloadType"] == payload_type, f"payload type {envelope['payloadType']}")
    payload = base64.b64decode(envelope["payload"], validate=True)
    pae = b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)
    pairs = [(each["keyid"], base64.b64decode(each["sig"]).hex()) for each in envelope["signatures"]]
    delegation = roles[role][1]
    expect(signers(delegation, delegations["keys"], pairs, pae) >= delegation["threshold"], f"{payload_type}: signatures")
    return json.loads(payload)


digest = ARTIFACT.removeprefix("sha256:")
policy = f"policy/{digest}.json"
manifest = json.loads(target("policy", policy))
custom = roles["policy"][0][policy]["custom"]
provenance = dsse(blob(custom["provenance"]), "application/vnd.in-toto+json", "policy")
expect(provenance["subject"][0]["digest"]["sha256"] == digest, "provenance: subject")
commit = provenance["predicate"]["buildDefinition"]["externalParameters"]["commit"]
expect(commit == manifest["source"]["commit"] == custom["commit"], "provenance: commit")
expect(len(blob(manifest["elf"]["digest"])) == manifest["elf"]["bytes"], "program: length")
release = json.loads(target("release", f"release/{RING}.json"))
expect(release["artifact"] == ARTIFACT, "release: artifact")
envelope = target("release", f"release/{RING}.success.json")
success = dsse(envelope, "application/vnd.heddle.ring-success+json", "release")
expect(success["number"] == release["number"], "success: number")
log = json.loads(target("code", "code/log.json"))
print(json.dumps({"root": root["signed"]["version"], "commit": commit, "number": release["number"], "log": log}))
