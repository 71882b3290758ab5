// In the place of a parser of OpenAPI documents. Of all that goes into the Pulumi command that parser takes the longest to
// compile, more than a quarter of the time, and all that it is for is `pulumi api`: who builds Pulumi from its
// modules reaches nothing but module proxies, and so no Pulumi Cloud.
module github.com/pb33f/libopenapi

go 1.25.0

require go.yaml.in/yaml/v4 v4.0.0-rc.4
