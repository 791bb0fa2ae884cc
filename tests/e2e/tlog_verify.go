// Verify a gitgate audit log with Go's own packages for transparency logs,
// golang.org/x/mod/sumdb/note and tlog: the note's signature, every tile
// against the root, every entry against its leaf.
//
//	go run tlog_verify.go VKEY DIRECTORY
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// tileReader reads C2SP tlog-tiles: tile/<level>/<n> without Go's height.
type tileReader struct{ dir string }

func (r tileReader) Height() int { return 8 }

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r tileReader) read(kind string, n int64, width int) ([]byte, error) {
	name := fmt.Sprintf("%03d", n%1000)
	for ; n >= 1000; n /= 1000 {
		name = fmt.Sprintf("x%03d/%s", n/1000%1000, name)
	}
	path := filepath.Join(r.dir, "tile", kind, name)
	if width < 256 {
		path += fmt.Sprintf(".p/%d", width)
	}
	return os.ReadFile(path)
}

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := r.read(strconv.Itoa(t.L), t.N, t.W)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// tree is what the signed checkpoint says.
func tree(dir, vkey string) (tlog.Tree, error) {
	msg, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(msg, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("no root")
	}
	t := tlog.Tree{N: size}
	copy(t.Hash[:], root)
	return t, nil
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: tlog_verify VKEY DIRECTORY"))
	}
	t, err := tree(os.Args[2], os.Args[1])
	if err != nil {
		fail(err)
	}
	files := tileReader{os.Args[2]}
	hashes := tlog.TileHashReader(t, files) // checks every tile against the root
	for first := int64(0); first < t.N; first += 256 {
		width := 256
		if t.N-first < 256 {
			width = int(t.N - first)
		}
		bundle, err := files.read("entries", first/256, width)
		if err != nil {
			fail(err)
		}
		for i := first; i < first+int64(width); i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail(fmt.Errorf("entry %d: cut", i))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			want, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			if err != nil {
				fail(err)
			}
			if tlog.RecordHash(bundle[2:end]) != want[0] {
				fail(fmt.Errorf("entry %d is not what was logged", i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			fail(fmt.Errorf("bundle %d has more entries", first/256))
		}
	}
	fmt.Println(t.N, base64.StdEncoding.EncodeToString(t.Hash[:]))
}
