package main

import (
	"bufio"
	"encoding/json"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// question is one line of input: a health check and the object that it judges.
type question struct {
	Script string `json:"script"`
	// OpenLibs gives the script all of Lua's libraries, as `resource.customizations.useOpenLibs.…` does. The checks that are built
	// into Argo CD have them.
	OpenLibs bool            `json:"openLibs"`
	Object   json.RawMessage `json:"object"`
}

// answer is one line of output: the result of one health check.
type answer struct {
	// Returned is what the script returned, as Argo CD's own tests of built-in checks see it. It is absent when the script gave no
	// health.
	Returned *health.HealthStatus `json:"returned,omitempty"`
	// Shown is the health that Argo CD shows for the object, and that a sync wave waits for.
	Shown *health.HealthStatus `json:"shown,omitempty"`
	// Error says why there is no health. An object whose check fails gives the whole Application an error.
	Error string `json:"error,omitempty"`
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Runs the health checks on standard input, one per line, with Argo CD's own Lua",
		RunE: func(*cobra.Command, []string) error {
			lines := bufio.NewScanner(os.Stdin)
			lines.Buffer(nil, 64<<20)
			out := json.NewEncoder(os.Stdout)
			for lines.Scan() {
				var asked question
				if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
					return err
				}
				said, err := answerTo(asked)
				if err != nil {
					return err
				}
				if err := out.Encode(said); err != nil {
					return err
				}
			}
			return lines.Err()
		},
	}
}

func answerTo(asked question) (answer, error) {
	// Decode the object as the API machinery does: whole numbers become integers, not floats.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asked.Object); err != nil {
		return answer{}, err
	}
	overrides := lua.ResourceHealthOverrides{
		lua.GetConfigMapKey(object.GroupVersionKind()): v1alpha1.ResourceOverride{
			HealthLua:   asked.Script,
			UseOpenLibs: asked.OpenLibs,
		},
	}
	returned, err := overrides.GetResourceHealth(object)
	if err != nil {
		return answer{Error: err.Error()}, nil
	}
	shown, err := health.GetResourceHealth(object, overrides)
	if err != nil {
		return answer{Error: err.Error()}, nil
	}
	return answer{Returned: returned, Shown: shown}, nil
}
