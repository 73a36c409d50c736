import { buildSchema } from "graphql";

/** The part of Phoenix's GraphQL schema that Segue asks, spelled as the vendor spells it. */
export const phoenixSchema = buildSchema(`
  scalar DateTime
  enum TimeBinScale { MINUTE HOUR DAY WEEK MONTH YEAR }
  "The end is exclusive."
  input TimeRange { start: DateTime end: DateTime }
  input TimeBinConfig { utcOffsetMinutes: Int! = 0 scale: TimeBinScale! = HOUR }

  type Query {
    getProjectByName(name: String!): Project
    projects(first: Int = 50, after: String): ProjectConnection!
    node(id: ID!): Node!
    viewer: User
  }
  interface Node { id: ID! }
  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type ProjectConnection { edges: [ProjectEdge!]! pageInfo: PageInfo! }
  type ProjectEdge { node: Project! cursor: String! }
  type UserRole { id: ID! name: String! }
  type User implements Node { id: ID! username: String! email: String role: UserRole! }

  type Project implements Node {
    id: ID!
    name: String!
    startTime: DateTime
    endTime: DateTime
    recordCount(timeRange: TimeRange, filterCondition: String, sessionFilterCondition: String): Int!
    tokenCountTotal(timeRange: TimeRange, filterCondition: String): Float!
    costSummary(timeRange: TimeRange, filterCondition: String, sessionFilterCondition: String): SpanCostSummary!
    spanLatencyMsQuantile(
      probability: Float!
      timeRange: TimeRange
      filterCondition: String
      sessionFilterCondition: String
    ): Float
    spanAnnotationNames: [String!]!
    spanAnnotationSummary(
      annotationName: String!
      timeRange: TimeRange
      filterCondition: String
      sessionFilterCondition: String
    ): AnnotationSummary
    validateSpanFilterCondition(condition: String!): ValidationResult!
    spanCountTimeSeries(timeRange: TimeRange!, timeBinConfig: TimeBinConfig, filterCondition: String): SpanCountTimeSeries!
  }
  type CostBreakdown { tokens: Float cost: Float }
  type SpanCostSummary { prompt: CostBreakdown! completion: CostBreakdown! total: CostBreakdown! }
  type LabelFraction { label: String! fraction: Float! }
  type AnnotationSummary {
    name: String!
    count: Int!
    labels: [String!]!
    labelFractions: [LabelFraction!]!
    meanScore: Float
    scoreCount: Int!
    labelCount: Int!
  }
  type ValidationResult { isValid: Boolean! errorMessage: String warnings: [String!]! }
  type SpanCountTimeSeries { data: [SpanCountTimeSeriesDataPoint!]! }
  type SpanCountTimeSeriesDataPoint { timestamp: DateTime! okCount: Int errorCount: Int unsetCount: Int totalCount: Int }
`);
