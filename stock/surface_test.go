package stock_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readPackage returns what this package exports.
func readPackage(t *testing.T) (p *doc.Package, functions []*doc.Func) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		require.NoError(t, err)
		parsed = append(parsed, file)
	}
	p, err = doc.NewFromFiles(files, parsed, "github.com/lodastack/agent/stock")
	require.NoError(t, err)
	functions = p.Funcs
	for _, typ := range p.Types {
		functions = slices.Concat(functions, typ.Funcs, typ.Methods)
	}
	return p, functions
}

func TestEverythingThatIsExportedIsDocumented(t *testing.T) {
	p, functions := readPackage(t)
	var missing []string
	for _, f := range functions {
		if f.Doc == "" {
			missing = append(missing, f.Name)
		}
	}
	for _, typ := range p.Types {
		if typ.Doc == "" {
			missing = append(missing, typ.Name)
		}
		ast.Inspect(typ.Decl, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Doc == nil && len(field.Names) > 0 && !isSection(field) {
				missing = append(missing, fmt.Sprint(typ.Name, ".", field.Names[0]))
			}
			_, function := n.(*ast.FuncType) // whose parameters the method's comment names
			return !function
		})
	}
	require.Empty(t, missing)
}

// isSection reports whether a field is a section of a Config, the fields of which
// are documented.
func isSection(field *ast.Field) bool {
	name, ok := field.Type.(*ast.Ident)
	_, structure := field.Type.(*ast.StructType)
	return structure || ok && strings.HasSuffix(name.Name, "Config")
}

func TestEmbeddersCanNameEveryTypeOfASignature(t *testing.T) {
	p, functions := readPackage(t)
	var wrong []string
	for _, typ := range p.Types {
		for _, spec := range typ.Decl.Specs {
			wrong = append(wrong, unnameable(p, typ.Name, spec.(*ast.TypeSpec).Type)...)
		}
	}
	for _, f := range functions {
		wrong = append(wrong, unnameable(p, f.Name, f.Decl.Type)...)
	}
	require.Empty(t, wrong)
}

// unnameable returns the types in expr that are of an internal package, or of
// this one and not exported.
func unnameable(p *doc.Package, where string, expr ast.Expr) (wrong []string) {
	ast.Inspect(expr, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			wrong = append(wrong, unnameable(p, where, n.Type)...)
			return false
		case *ast.SelectorExpr:
			if slices.Contains(p.Imports, fmt.Sprintf("github.com/lodastack/agent/internal/%v", n.X)) {
				wrong = append(wrong, fmt.Sprintf("%s: %v.%s", where, n.X, n.Sel))
			}
			return false
		case *ast.Ident:
			if !n.IsExported() && types.Universe.Lookup(n.Name) == nil {
				wrong = append(wrong, fmt.Sprintf("%s: %s", where, n.Name))
			}
		}
		return true
	})
	return wrong
}
