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

// One line of input: a health check and the object that it is to look at.
type question struct {
	Script string `json:"script"`
	// As `resource.customizations.useOpenLibs.…` sets it; checks that are built into Argo CD have it.
	OpenLibs bool            `json:"openLibs"`
	Object   json.RawMessage `json:"object"`
}

// One line of output.
type answer struct {
	// What the script returned, as Argo CD's own tests of built-in checks see it. Absent: nil, that is, no health.
	Returned *health.HealthStatus `json:"returned,omitempty"`
	// What Argo CD shows for the object and lets a sync wave wait for.
	Shown *health.HealthStatus `json:"shown,omitempty"`
	// Why there is none. One such object gives the whole application an error.
	Error string `json:"error,omitempty"`
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Reads questions from standard input, a line each, and answers them with Argo CD's own Lua",
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
	// As the API machinery decodes it: whole numbers are integers, not floats.
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
