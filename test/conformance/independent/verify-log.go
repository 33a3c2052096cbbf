// Verifies a transparency log with golang.org/x/mod/sumdb, the code that verifies Go's own checksum database:
//
//	verify-log STORE VKEY [-old CHECKPOINT] [-proof FILE -entry FILE]
//
// The checkpoint's signature, every tile against its root, every entry against its tile; that an older checkpoint's
// tree is where this one begins; that a tlog-proof shows an entry. Prints the log's size, or says what is wrong.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// Tiles of a store's directory; c2sp.org/tlog-tiles leaves the height out of their names.
type tiles struct{ store string }

func (t tiles) Height() int                         { return height }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) path(tile tlog.Tile, kind string) string {
	name := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if kind != "" {
		name = kind + strings.TrimPrefix(name, "data")
	}
	return filepath.Join(t.store, "log", "tile", name)
}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		bytes, err := os.ReadFile(t.path(tile, ""))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func main() {
	if len(os.Args) < 3 {
		fail("usage: verify-log STORE VKEY [-old FILE] [-proof FILE -entry FILE]")
	}
	flags := flag.NewFlagSet("verify-log", flag.ExitOnError)
	old := flags.String("old", "", "an older checkpoint of the same log")
	proof := flags.String("proof", "", "a tlog-proof")
	entry := flags.String("entry", "", "the entry that it should show")
	must(flags.Parse(os.Args[3:]))
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	store := tiles{os.Args[1]}
	tree := open(read(filepath.Join(store.store, "log", "checkpoint")), verifier)
	hashes := tlog.TileHashReader(tree, store)
	entries(store, tree, hashes)
	if *old != "" {
		earlier := open(read(*old), verifier)
		path, err := tlog.ProveTree(tree.N, earlier.N, hashes)
		must(err)
		must(tlog.CheckTree(path, tree.N, tree.Hash, earlier.N, earlier.Hash))
	}
	if *proof != "" {
		included(read(*proof), read(*entry), verifier)
	}
	fmt.Println(tree.N)
}

// The tree that a checkpoint of this log names: origin, size, root.
func open(text []byte, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open(text, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		fail("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return tlog.Tree{N: size, Hash: hash(lines[2])}
}

// Every entry is the leaf of its index, by tiles that give the root.
func entries(store tiles, tree tlog.Tree, hashes tlog.HashReader) {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		bundle := read(store.path(tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}, "entries"))
		for index := first; index < first+width; index++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("a bundle of entries ends early")
			}
			length := 2 + int(binary.BigEndian.Uint16(bundle))
			leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			must(err)
			if leaf[0] != tlog.RecordHash(bundle[2:length]) {
				fail(fmt.Sprintf("entry %d is not what its tile says", index))
			}
			bundle = bundle[length:]
		}
		if len(bundle) > 0 {
			fail("a bundle has more entries than the log")
		}
	}
}

// c2sp.org/tlog-proof
func included(proof, entry []byte, verifier note.Verifier) {
	head, checkpoint, found := bytes.Cut(proof, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		fail("no tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err)
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		path = append(path, hash(line))
	}
	tree := open(checkpoint, verifier)
	must(tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
}

func hash(text string) (hash tlog.Hash) {
	bytes, err := base64.StdEncoding.DecodeString(text)
	must(err)
	if len(bytes) != len(hash) {
		fail("no hash: " + text)
	}
	copy(hash[:], bytes)
	return hash
}

func read(file string) []byte {
	bytes, err := os.ReadFile(file)
	must(err)
	return bytes
}

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
