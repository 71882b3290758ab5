// Package base has the shape of schemas, as far as Pulumi looks at them.
package base

import (
	"errors"

	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

// SchemaProxy stands for a schema, or for a reference to one.
type SchemaProxy struct{}

// Schema is the one that it stands for: none.
func (*SchemaProxy) Schema() *Schema {
	return nil
}

// DynamicValue is of one of two types.
type DynamicValue[A any, B any] struct {
	A A
	B B
	N int
}

// IsA is whether it is of the first.
func (value *DynamicValue[A, B]) IsA() bool {
	return value.N == 0
}

// Discriminator tells apart the variants of a schema.
type Discriminator struct {
	PropertyName string
	Mapping      *orderedmap.Map[string, string]
}

// Schema is what a value has to be.
type Schema struct {
	Type                 []string
	Format               string
	Pattern              string
	Description          string
	Required             []string
	AllOf                []*SchemaProxy
	OneOf                []*SchemaProxy
	AnyOf                []*SchemaProxy
	Properties           *orderedmap.Map[string, *SchemaProxy]
	Items                *DynamicValue[*SchemaProxy, bool]
	AdditionalProperties *DynamicValue[*SchemaProxy, bool]
	Discriminator        *Discriminator
	ReadOnly             *bool
	Nullable             *bool
	MinLength            *int64
	MaxLength            *int64
	Minimum              *float64
	Maximum              *float64
	MultipleOf           *float64
	Default              *yaml.Node
	Enum                 []*yaml.Node
	Extensions           *orderedmap.Map[string, *yaml.Node]
}

// Low is what a schema was read from.
type Low struct{}

// Hash tells schemas apart.
func (*Low) Hash() uint64 {
	return 0
}

// GoLow is what this schema was read from: nothing.
func (*Schema) GoLow() *Low {
	return nil
}

// MarshalJSONInline says that there is none to write.
func (*Schema) MarshalJSONInline() ([]byte, error) {
	return nil, errors.New("no schema was read")
}
