// Kubernetes's own types and printers against a running tidewatch: upstream URL
//
// Input: the answers of the Kubernetes API at the URL. Output: a line for every answer that has a field that the types of
// Kubernetes 1.34 do not have, or a value of another type; and for every table whose columns or cells differ from those that the
// API server's printers make of the same objects. Exit status 1 when there was one.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	apps "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/printers"
	internalversion "k8s.io/kubernetes/pkg/printers/internalversion"
	"k8s.io/kubernetes/pkg/printers/storage"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	strictjson "sigs.k8s.io/json"
)

const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

var tables = []string{
	"/api/v1/pods", "/api/v1/events", "/api/v1/nodes", "/api/v1/namespaces", "/apis/apps/v1/deployments",
	"/apis/autoscaling/v2/horizontalpodautoscalers",
}

var differences int

func differ(format string, values ...any) {
	differences++
	fmt.Printf("DIFFERS "+format+"\n", values...)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func get(url, accept string) []byte {
	request, err := http.NewRequest("GET", url, nil)
	must(err)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	response, err := http.DefaultClient.Do(request)
	must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err)
	return body
}

// decode reads an answer as a type of Kubernetes, in which every field must be known.
func decode(server, path string, into any) {
	unknown, err := strictjson.UnmarshalStrict(get(server+path, ""), into)
	if err != nil || len(unknown) > 0 {
		differ("%s: %v %v", path, err, unknown)
	}
}

func types(server string) {
	deployments := &apps.DeploymentList{}
	for path, into := range map[string]any{
		"/version":                             &version.Info{},
		"/api":                                 &meta.APIVersions{},
		"/apis":                                &meta.APIGroupList{},
		"/apis/autoscaling":                    &meta.APIGroup{},
		"/api/v1":                              &meta.APIResourceList{},
		"/apis/apps/v1":                        &meta.APIResourceList{},
		"/apis/autoscaling/v2":                 &meta.APIResourceList{},
		"/apis/metrics.k8s.io/v1beta1":         &meta.APIResourceList{},
		"/api/v1/pods":                         &core.PodList{},
		"/api/v1/events":                       &core.EventList{},
		"/api/v1/nodes":                        &core.NodeList{},
		"/api/v1/namespaces":                   &core.NamespaceList{},
		"/apis/apps/v1/deployments":            deployments,
		tables[len(tables)-1]:                  &autoscaling.HorizontalPodAutoscalerList{},
		"/apis/metrics.k8s.io/v1beta1/pods":    &metrics.PodMetricsList{},
		"/apis/metrics.k8s.io/v1beta1/nodes":   &metrics.NodeMetricsList{},
		"/apis/nowhere/v1":                     &meta.Status{},
		"/api/v1/namespaces/none/pods/nowhere": &meta.Status{},
	} {
		decode(server, path, into)
	}
	for _, one := range deployments.Items {
		path := fmt.Sprintf("/apis/apps/v1/namespaces/%s/deployments/%s/scale", one.Namespace, one.Name)
		decode(server, path, &autoscalingv1.Scale{})
	}
}

// upstream is the table that the API server would make of a list.
func upstream(convertor storage.TableConvertor, list []byte) *meta.Table {
	object, _, err := legacyscheme.Codecs.UniversalDeserializer().Decode(list, nil, nil)
	must(err)
	internal, err := legacyscheme.Scheme.ConvertToVersion(object, runtime.InternalGroupVersioner)
	must(err)
	table, err := convertor.ConvertToTable(context.Background(), internal, nil)
	must(err)
	return table
}

func cells(row meta.TableRow) string {
	text, err := json.Marshal(row.Cells)
	must(err)
	return string(text)
}

// compare gives what differs between the tables of a list.
func compare(convertor storage.TableConvertor, server, path string) (found []string) {
	want, have := upstream(convertor, get(server+path, "")), meta.Table{}
	must(json.Unmarshal(get(server+path, asTable), &have))
	if len(want.Rows) != len(have.Rows) || len(want.ColumnDefinitions) != len(have.ColumnDefinitions) {
		return []string{"another number of rows or columns"}
	}
	for at, column := range want.ColumnDefinitions {
		column.Description = ""
		if column != have.ColumnDefinitions[at] {
			found = append(found, fmt.Sprintf("column %+v instead of %+v", have.ColumnDefinitions[at], column))
		}
	}
	for at := range want.Rows {
		if cells(want.Rows[at]) != cells(have.Rows[at]) {
			found = append(found, fmt.Sprintf("row %s instead of %s", cells(have.Rows[at]), cells(want.Rows[at])))
		}
	}
	return found
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: upstream URL")
		os.Exit(2)
	}
	server := os.Args[1]
	types(server)
	generator := printers.NewTableGenerator().With(internalversion.AddHandlers)
	convertor := storage.TableConvertor{TableGenerator: generator}
	for _, path := range tables {
		var found []string
		// ages and usage may change between the two calls, but not every time
		for range 5 {
			if found = compare(convertor, server, path); len(found) == 0 {
				break
			}
		}
		for _, difference := range found {
			differ("table of %s: %s", path, difference)
		}
	}
	fmt.Printf("types and tables compared with upstream's: %d differences\n", differences)
	if differences > 0 {
		os.Exit(1)
	}
}
