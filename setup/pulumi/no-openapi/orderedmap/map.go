// Package orderedmap has the map in which a document would keep what its order matters of.
package orderedmap

import (
	"iter"
	"slices"
)

type entry[K comparable, V any] struct {
	key   K
	value V
}

// Map keeps its entries in the order in which they came. A nil one is empty.
type Map[K comparable, V any] struct {
	entries []entry[K, V]
}

// New makes an empty map.
func New[K comparable, V any]() *Map[K, V] {
	return &Map[K, V]{}
}

// Len counts entries.
func Len[K comparable, V any](m *Map[K, V]) int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

func (m *Map[K, V]) index(key K) int {
	if m == nil {
		return -1
	}
	return slices.IndexFunc(m.entries, func(one entry[K, V]) bool { return one.key == key })
}

// Get finds the value of a key, and whether there is one.
func (m *Map[K, V]) Get(key K) (V, bool) {
	if at := m.index(key); at >= 0 {
		return m.entries[at].value, true
	}
	var none V
	return none, false
}

// GetOrZero finds the value of a key; the zero value where there is none.
func (m *Map[K, V]) GetOrZero(key K) V {
	value, _ := m.Get(key)
	return value
}

// Set gives a key its value.
func (m *Map[K, V]) Set(key K, value V) {
	if at := m.index(key); at >= 0 {
		m.entries[at].value = value
		return
	}
	m.entries = append(m.entries, entry[K, V]{key, value})
}

// Delete takes a key away.
func (m *Map[K, V]) Delete(key K) {
	if at := m.index(key); at >= 0 {
		m.entries = slices.Delete(m.entries, at, at+1)
	}
}

// FromOldest goes through all, in order.
func (m *Map[K, V]) FromOldest() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if m == nil {
			return
		}
		for _, one := range m.entries {
			if !yield(one.key, one.value) {
				return
			}
		}
	}
}

// KeysFromOldest goes through the keys, in order.
func (m *Map[K, V]) KeysFromOldest() iter.Seq[K] {
	return func(yield func(K) bool) {
		for key := range m.FromOldest() {
			if !yield(key) {
				return
			}
		}
	}
}
