// Package v3 has the shape of documents, as far as Pulumi looks at them.
package v3

import (
	"github.com/pb33f/libopenapi/datamodel/high/base"
	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

// Document describes an interface.
type Document struct {
	Info       *Info
	Paths      *Paths
	Components *Components
}

// Info is about the document itself.
type Info struct {
	Version string
}

// Components are schemas by name.
type Components struct {
	Schemas *orderedmap.Map[string, *base.SchemaProxy]
}

// Paths are what can be asked for.
type Paths struct {
	PathItems *orderedmap.Map[string, *PathItem]
}

// PathItem has the operations at a path, by HTTP method.
type PathItem struct {
	Get, Post, Put, Delete, Patch, Head *Operation
}

// Operation is one thing that can be asked for.
type Operation struct {
	OperationId string //nolint:revive // its name is the real one's
	Summary     string
	Description string
	Tags        []string
	Parameters  []*Parameter
	RequestBody *RequestBody
	Responses   *Responses
	Deprecated  *bool
	Extensions  *orderedmap.Map[string, *yaml.Node]
}

// Parameter is a part of a request beside its body.
type Parameter struct {
	Name        string
	In          string
	Required    *bool
	Description string
	Schema      *base.SchemaProxy
}

// RequestBody is what is sent, by media type.
type RequestBody struct {
	Content *orderedmap.Map[string, *MediaType]
}

// MediaType is one form of what is sent.
type MediaType struct {
	Schema *base.SchemaProxy
}

// Responses are what is answered, by status.
type Responses struct {
	Codes   *orderedmap.Map[string, *Response]
	Default *Response
}

// Response is one answer.
type Response struct {
	Description string
	Content     *orderedmap.Map[string, *MediaType]
}
