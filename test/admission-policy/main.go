// Evaluates a MutatingAdmissionPolicy of a file for the pod on standard input, with the API server's own code, and prints the
// resulting pod as JSON. Prints nothing, and exits with 3, if a match condition is not true.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/api/admissionregistration/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

// One match condition, as the compiler takes it.
type condition struct{ name, expression string }

func (c *condition) GetExpression() string    { return c.expression }
func (c *condition) ReturnTypes() []*cel.Type { return []*cel.Type{cel.BoolType} }

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n---\n")
	var policy v1beta1.MutatingAdmissionPolicy
	if err := yaml.UnmarshalStrict([]byte(first), &policy); err != nil {
		return err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(input, pod); err != nil {
		return err
	}
	return evaluate(&policy, pod)
}

func evaluate(policy *v1beta1.MutatingAdmissionPolicy, pod *corev1.Pod) error {
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true))
	if err != nil {
		return err
	}
	options := plugincel.OptionalVariableDeclarations{StrictCost: true, HasAuthorizer: true}
	ctx := compiler.CompositionEnv.CreateContext(context.Background())
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	kind := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	resource := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	var object runtime.Object = pod
	attributes := func() *admission.VersionedAttributes {
		record := admission.NewAttributesRecord(object, nil, kind, pod.Namespace, pod.Name, resource, "", admission.Create, &metav1.CreateOptions{}, false, nil)
		return &admission.VersionedAttributes{Attributes: record, VersionedKind: kind, VersionedObject: object}
	}
	request := plugincel.CreateAdmissionRequest(attributes().Attributes, metav1.GroupVersionResource(resource), metav1.GroupVersionKind(kind))

	conditions := []plugincel.ExpressionAccessor{}
	for _, each := range policy.Spec.MatchConditions {
		conditions = append(conditions, &condition{each.Name, each.Expression})
	}
	evaluator := compiler.CompileCondition(conditions, options, environment.StoredExpressions)
	results, _, err := evaluator.ForInput(ctx, attributes(), request, plugincel.OptionalVariableBindings{}, nil, celconfig.RuntimeCELCostBudget)
	if err != nil {
		return err
	}
	for _, result := range results {
		if result.Error != nil {
			return result.Error
		}
		if result.EvalResult.Value() != true {
			os.Exit(3)
		}
	}

	options.HasPatchTypes = true
	for _, mutation := range policy.Spec.Mutations {
		compiled := compiler.CompileMutatingEvaluator(&patch.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}, options, environment.StoredExpressions)
		object, err = patch.NewJSONPatcher(compiled).Patch(ctx, patch.Request{
			MatchedResource:     resource,
			VersionedAttributes: attributes(),
			ObjectInterfaces:    admission.NewObjectInterfacesFromScheme(scheme),
		}, celconfig.RuntimeCELCostBudget)
		if err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(object)
}
