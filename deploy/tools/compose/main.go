// Reads compose files as Docker Compose does, by the loader that Docker Compose is built on: the
// schema of the Compose specification, interpolation, merging, and whether all parts that are named
// are there. Prints the whole project as JSON, or one line that says what is wrong (exit code 1).
//
// In: paths of compose files; variables from the environment alone, no `.env`.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := show(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func show(paths []string) error {
	options, err := cli.NewProjectOptions(paths, cli.WithOsEnv, cli.WithName("nps"))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	told, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(told, '\n'))
	return err
}
