import { buildSchema } from "graphql";

const MONITOR_FIELDS = `
  name: String
  notes: String
  contacts: [MonitorContactInput!]
  downtimeStart: DateTime
  downtimeDurationHrs: Float
  downtimeFrequencyDays: Int
  scheduledRuntimeEnabled: Boolean
  scheduledRuntimeCadenceSeconds: Int
  scheduledRuntimeDaysOfWeek: [Int!]
  evaluationWindowLengthSeconds: Float
  delaySeconds: Float
  threshold: Float
  dynamicAutoThreshold: DynamicAutoThresholdInput
  thresholdMode: ThresholdMode
  operator: ComparisonOperator
  threshold2: Float
  operator2: ComparisonOperator
  stdDevMultiplier2: Float
  filters: [MonitorFilterInput!]
`;
const WHERE = "spaceId: ID modelName: String modelId: ID";
const QUALITY = `
  dataQualityMetric: DataQualityMetric
  dimensionCategory: DimensionCategory
  dimensionName: String
  modelEnvironmentName: ModelEnvironmentName
`;
const PERFORMANCE = `
  performanceMetric: String
  customMetricId: ID
  positiveClassValue: String
  predictionClassValue: String
  metricAtRankingKValue: Int
  topKPercentileValue: Float
  modelEnvironmentName: ModelEnvironmentName
`;

/**
 * The part of Arize AX's GraphQL schema that Segue asks. The vendor publishes none: names and types are those of a
 * working public client, and what no client shows (the inputs of patches above all) is a guess by the same pattern.
 */
export const arizeSchema = buildSchema(`
  scalar DateTime
  enum MonitorCategory { performance drift dataQuality }
  enum MonitorStatus { triggered cleared noData }
  enum ThresholdMode { single range }
  enum WindowType { moving fixed }
  enum ComparisonOperator { greaterThan lessThan equals notEquals greaterThanOrEqual lessThanOrEqual }
  enum ModelEnvironmentName { production validation training tracing }
  enum NotificationChannelType { email integration }
  enum DataQualityMetric {
    avg count sum percentEmpty cardinality standardDeviation p50 p95 p99 p99_9 newValues missingValues averageStringListLength
  }
  enum FilterType {
    featureLabel tagLabel predictionValue actuals modelVersion batchId spanProperty llmEval annotation userAnnotation
    actualScore actualLabel predictionClass predictionScore
  }
  enum DimensionCategory { featureLabel prediction actuals tag spanProperty llmEval annotation userAnnotation modelVersion batchId }

  interface Node { id: ID! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Query { node(id: ID!): Node rateLimit: RateLimit }
  type RateLimit { limit: Int! cost: Int! remaining: Int! resetAt: DateTime! }

  type Space implements Node {
    id: ID!
    name: String!
    monitors(first: Int!, after: String, search: String, modelName: String, monitorCategory: MonitorCategory): MonitorConnection!
    models(first: Int!, after: String, search: String): ModelConnection!
  }
  type ModelConnection { pageInfo: PageInfo! edges: [ModelEdge!]! }
  type ModelEdge { node: Model! cursor: String! }
  type Model implements Node {
    id: ID!
    name: String!
    monitors(first: Int!, after: String, monitorCategory: MonitorCategory): MonitorConnection!
    tracingSchema(startTime: DateTime!, endTime: DateTime!): TracingSchema
  }
  type TracingSchema {
    spanProperties(first: Int!, after: String): SchemaDimensionConnection!
    llmEvals(first: Int!, after: String): SchemaDimensionConnection!
    annotations(first: Int!, after: String): SchemaDimensionConnection!
  }
  type SchemaDimensionConnection { pageInfo: PageInfo! edges: [SchemaDimensionEdge!]! }
  type SchemaDimensionEdge { node: SchemaDimension! cursor: String! }
  type SchemaDimension { dimension: Dimension! }
  type Dimension { id: ID name: String! dataType: String category: DimensionCategory }

  type MonitorConnection { pageInfo: PageInfo! edges: [MonitorEdge!]! }
  type MonitorEdge { node: Monitor! cursor: String! }
  type Monitor implements Node {
    id: ID!
    name: String!
    notes: String
    uri: String
    monitorCategory: MonitorCategory!
    status: MonitorStatus!
    isTriggered: Boolean!
    notificationsEnabled: Boolean!
    createdDate: DateTime
    updatedAt: DateTime
    evaluatedAt: DateTime
    evaluationIntervalSeconds: Float
    latestComputedValue: Float
    operator: ComparisonOperator
    threshold: Float
    thresholdMode: ThresholdMode
    threshold2: Float
    operator2: ComparisonOperator
    dynamicAutoThresholdEnabled: Boolean
    stdDevMultiplier: Float
    performanceMetric: String
    dataQualityMetric: DataQualityMetric
    driftMetric: String
    customMetric: CustomMetric
    dimensionCategory: DimensionCategory
    primaryMetricWindow: MetricWindow
    scheduledRuntimeEnabled: Boolean
    scheduledRuntimeCadenceSeconds: Int
    model: Model
  }
  type CustomMetric implements Node { id: ID! name: String! }
  type MetricWindow { type: WindowType! windowLengthMs: Float dimension: Dimension filters: [MetricFilter!]! }
  type MetricFilter {
    id: ID
    filterType: FilterType!
    operator: ComparisonOperator!
    dimension: Dimension
    dimensionValues: [DimensionValue!]!
    binaryValues: [String!]
    numericValues: [Float!]
    categoricalValues: [String!]
  }
  type DimensionValue { id: ID value: String! }

  input MonitorContactInput {
    notificationChannelType: NotificationChannelType!
    emailAddress: String
    integrationKeyId: ID
  }
  input DynamicAutoThresholdInput { stdDevMultiplier: Float! }
  input MonitorFilterInput { dimensionType: FilterType! operator: ComparisonOperator! name: String values: [String!]! }
  input CreateDataQualityMonitorMutationInput { ${WHERE} ${MONITOR_FIELDS} ${QUALITY} clientMutationId: String }
  input CreatePerformanceMonitorMutationInput { ${WHERE} ${MONITOR_FIELDS} ${PERFORMANCE} clientMutationId: String }
  input PatchDataQualityMonitorSetInput { ${MONITOR_FIELDS} ${QUALITY} dynamicAutoThresholdEnabled: Boolean }
  input PatchPerformanceMonitorSetInput { ${MONITOR_FIELDS} ${PERFORMANCE} dynamicAutoThresholdEnabled: Boolean }
  input PatchDataQualityMonitorMutationInput { monitorId: ID! set: PatchDataQualityMonitorSetInput! clientMutationId: String }
  input PatchPerformanceMonitorMutationInput { monitorId: ID! set: PatchPerformanceMonitorSetInput! clientMutationId: String }
  input DeleteMonitorMutationInput { monitorId: ID! clientMutationId: String }
  type MonitorPayload { monitor: Monitor clientMutationId: String }
  type Mutation {
    createDataQualityMonitor(input: CreateDataQualityMonitorMutationInput!): MonitorPayload
    createPerformanceMonitor(input: CreatePerformanceMonitorMutationInput!): MonitorPayload
    patchDataQualityMonitor(input: PatchDataQualityMonitorMutationInput!): MonitorPayload
    patchPerformanceMonitor(input: PatchPerformanceMonitorMutationInput!): MonitorPayload
    deleteMonitor(input: DeleteMonitorMutationInput!): MonitorPayload
  }
`);
