// Reads histories of a key-value store as JSON from the standard input, checks with porcupine whether each of them is
// linearizable, and writes one line for each: Ok, Illegal, or Unknown if that took too long.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

// Many concurrent lists can take porcupine very long.
const timeout = 2 * time.Second

// A transaction of writes, or a list of a range of keys.
type operation struct {
	Call   int64
	Return int64
	// Position among all transactions, from 1. 0 for a list.
	Order int
	// Null deletes the key. Missing for a list.
	Writes map[string]*string
	Key    string
	// Empty for one key, "\x00" for all keys from Key on.
	End string
	// What a list returned.
	Result map[string]string
}

func (list operation) contains(key string) bool {
	switch list.End {
	case "":
		return key == list.Key
	case "\x00":
		return key >= list.Key
	default:
		return key >= list.Key && key < list.End
	}
}

type state struct {
	// Transactions so far.
	order  int
	values map[string]string
}

var store = porcupine.Model{
	Init: func() any { return state{} },
	// The transactions so far determine the values.
	Equal: func(a, b any) bool { return a.(state).order == b.(state).order },
	Step: func(before, input, output any) (bool, any) {
		current := before.(state)
		operation := input.(operation)
		if operation.Writes == nil {
			return returns(current.values, operation), current
		}
		if operation.Order != current.order+1 {
			return false, current
		}
		next := state{order: operation.Order, values: map[string]string{}}
		maps.Copy(next.values, current.values)
		for key, value := range operation.Writes {
			if value == nil {
				delete(next.values, key)
			} else {
				next.values[key] = *value
			}
		}
		return true, next
	},
}

func returns(values map[string]string, list operation) bool {
	count := 0
	for key, value := range values {
		if !list.contains(key) {
			continue
		}
		count++
		if returned, exists := list.Result[key]; !exists || returned != value {
			return false
		}
	}
	return count == len(list.Result)
}

func main() {
	var histories [][]operation
	if err := json.NewDecoder(os.Stdin).Decode(&histories); err != nil {
		log.Fatal(err)
	}
	for _, history := range histories {
		operations := make([]porcupine.Operation, len(history))
		for i, each := range history {
			operations[i] = porcupine.Operation{
				Input:  each,
				Call:   each.Call,
				Return: each.Return,
			}
		}
		fmt.Println(porcupine.CheckOperationsTimeout(store, operations, timeout))
	}
}
