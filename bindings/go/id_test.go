// Ids and names: the vectors of the Rust code, and the laws over random ids.

package allocdb

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"testing"
)

type nameVectors struct {
	Namespace string
	Names     []struct {
		UTF8      string
		ID        string
		ShownUTF8 string `json:"shown_utf8"`
		Hi, Lo    string
	}
	RefusedNames []refusal `json:"refused_names"`
	Texts        []struct {
		UTF8, ID  string
		ShownUTF8 string `json:"shown_utf8"`
	}
	RefusedTexts []refusal `json:"refused_texts"`
	IDs          []struct {
		What, ID  string
		ShownUTF8 string `json:"shown_utf8"`
	}
}

type refusal struct{ UTF8, Reason, Message string }

func loadNames(t *testing.T) *nameVectors {
	t.Helper()
	text, err := os.ReadFile(vectorsPath + "names.json")
	if err != nil {
		t.Fatal(err)
	}
	var v nameVectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Names) == 0 || len(v.RefusedNames) == 0 || len(v.Texts) == 0 ||
		len(v.RefusedTexts) == 0 || len(v.IDs) == 0 {
		t.Fatal("the vectors lack a chapter")
	}
	return &v
}

func TestNamesBecomeTheIDsOfEveryLanguage(t *testing.T) { // R104, R105
	v := loadNames(t)
	if nameSpace.UUID() != v.Namespace {
		t.Errorf("the namespace is %s, must be %s", nameSpace.UUID(), v.Namespace)
	}
	for _, n := range v.Names {
		name := string(unhex(t, n.UTF8))
		id, err := NameID(name)
		if err != nil || id.UUID() != n.ID || id.String() != string(unhex(t, n.ShownUTF8)) {
			t.Errorf("%q is %s, shown as %q (%v), must be %s", name, id.UUID(), id, err, n.ID)
		}
		if MustNameID(name) != id {
			t.Errorf("MustNameID(%q) is another id", name)
		}
	}
}

func TestWhatIsNoNameIsRefusedInTheSameWords(t *testing.T) { // R103
	v := loadNames(t)
	for _, n := range v.RefusedNames {
		_, err := NameID(string(unhex(t, n.UTF8)))
		wantError(t, err, ErrInvalid, n.Message)
	}
	for _, n := range v.RefusedTexts {
		_, err := ParseID(string(unhex(t, n.UTF8)))
		wantError(t, err, ErrInvalid, n.Message)
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, ErrInvalid) {
			t.Error("MustNameID took an empty name")
		}
	}()
	MustNameID("")
}

func TestTextIsReadAsItIsShown(t *testing.T) { // R106, R107
	v := loadNames(t)
	for _, text := range v.Texts {
		id, err := ParseID(string(unhex(t, text.UTF8)))
		if err != nil || id.UUID() != text.ID || id.String() != string(unhex(t, text.ShownUTF8)) {
			t.Errorf("%x is %s (%v), must be %s", text.UTF8, id.UUID(), err, text.ID)
		}
	}
	for _, shown := range v.IDs {
		id, err := ParseID(shown.ID)
		if err != nil || id.String() != string(unhex(t, shown.ShownUTF8)) {
			t.Errorf("%s: %s is shown as %q (%v)", shown.What, shown.ID, id, err)
		}
	}
}

func TestParseTurnsEveryTextBack(t *testing.T) { // R107
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 100_000 {
		id := NewID(random.Uint64(), random.Uint64())
		if i%2 == 0 {
			// Packed by chance is rare: half of them are made so, with bytes of every sort.
			var name [PackedNameBytesMax]byte
			for j := range random.IntN(PackedNameBytesMax + 1) {
				name[j] = byte(random.IntN(256) >> random.IntN(3))
			}
			id = packName(string(name[:]))
		}
		text, err := id.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back ID
		if err := back.UnmarshalText(text); err != nil || back != id {
			t.Fatalf("%s is shown as %q, which is %s (%v)", id.UUID(), text, back.UUID(), err)
		}
	}
}

func TestFailedUnmarshalLeavesTheID(t *testing.T) {
	id := seat
	if err := id.UnmarshalText([]byte(strings.Repeat("x", 16))); err == nil || id != seat {
		t.Errorf("the id is %s (%v)", id, err)
	}
	text, err := json.Marshal(map[string]ID{"seat": seat})
	if err != nil || string(text) != `{"seat":"seat_21A"}` {
		t.Errorf("as JSON: %s (%v)", text, err)
	}
}

func TestIDsCompareAsNumbers(t *testing.T) {
	ids := []ID{NewID(2, 0), NewID(0, 300), NewID(1, 5), NewID(0, 2), NewID(^uint64(0), 0)}
	sort.Slice(ids, func(i, j int) bool { return ids[i].Compare(ids[j]) < 0 })
	for i, want := range []ID{NewID(0, 2), NewID(0, 300), NewID(1, 5), NewID(2, 0)} {
		if ids[i] != want {
			t.Errorf("the %d. is %s", i, ids[i])
		}
	}
	if hi, lo := NewID(7, 9).Halves(); hi != 7 || lo != 9 || NewID(7, 9).Compare(NewID(7, 9)) != 0 {
		t.Error("the halves are not those given")
	}
}

func TestRandomIDsAreVersion4(t *testing.T) {
	seen := map[ID]bool{}
	for range 1000 {
		id := RandomID()
		if id[6]>>4 != 4 || id[8]>>6 != 2 || seen[id] {
			t.Fatalf("%s", id.UUID())
		}
		seen[id] = true
	}
}
