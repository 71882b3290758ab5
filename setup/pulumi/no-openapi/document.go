// Package libopenapi has as much of the real one as Pulumi names, and says of each document that it is not read here.
package libopenapi

import (
	"errors"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Document is what there is never one of.
type Document struct{}

// DocumentModel is what a document would say.
type DocumentModel[T any] struct {
	Model T
}

var errNotRead = errors.New("this pulumi was built from Go modules by Mayfly's set-up, without what reads OpenAPI; " +
	"to use this command, install Pulumi as its documentation says")

// NewDocument says that documents are not read here.
func NewDocument([]byte) (*Document, error) {
	return nil, errNotRead
}

// BuildV3Model says that documents are not read here.
func (*Document) BuildV3Model() (*DocumentModel[v3.Document], error) {
	return nil, errNotRead
}
